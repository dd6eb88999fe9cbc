// Follows the agents' pods and the IstioCNI with client-go's informers until the resource is Ready with the version that its
// argument names, and says what it saw: what a controller of somebody else would see of an update.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: informers VERSION")
		os.Exit(2)
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	typed := informers.NewSharedInformerFactoryWithOptions(kubernetes.NewForConfigOrDie(config), 0, informers.WithNamespace("istio-cni"))
	pods := typed.Core().V1().Pods().Informer()
	cnis := dynamicinformer.NewDynamicSharedInformerFactory(dynamic.NewForConfigOrDie(config), 0).
		ForResource(schema.GroupVersionResource{Group: "sailoperator.io", Version: "v1", Resource: "istiocnis"}).Informer()

	counts := map[string]int{}
	seen := make(chan func(), 1024)
	count := func(what string) { seen <- func() { counts[what]++ } }
	must(pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { count("pods added") },
		UpdateFunc: func(any, any) { count("pods updated") },
		DeleteFunc: func(any) { count("pods deleted") },
	}))
	ready := make(chan struct{}, 1)
	must(cnis.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { count("istiocnis added") },
		UpdateFunc: func(_, o any) {
			count("istiocnis updated")
			if isReady(o.(*unstructured.Unstructured), os.Args[1]) {
				select {
				case ready <- struct{}{}:
				default:
				}
			}
		},
	}))
	go pods.Run(ctx.Done())
	go cnis.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), pods.HasSynced, cnis.HasSynced) {
		fmt.Fprintln(os.Stderr, "the caches did not fill")
		os.Exit(1)
	}
	fmt.Println("synced")
	for done := false; !done; {
		select {
		case f := <-seen:
			f()
		case <-ready:
			done = true
		case <-ctx.Done():
			fmt.Fprintln(os.Stderr, "no Ready with version", os.Args[1])
			os.Exit(1)
		}
	}
	running := map[string]bool{}
	for _, o := range pods.GetStore().List() {
		if p := o.(*corev1.Pod); p.Status.Phase == corev1.PodRunning {
			running[p.Labels["app.kubernetes.io/version"]] = true
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"counts": counts, "running": running}); err != nil {
		os.Exit(1)
	}
}

func must(_ cache.ResourceEventHandlerRegistration, err error) {
	if err != nil {
		panic(err)
	}
}

func isReady(o *unstructured.Unstructured, version string) bool {
	spec, _, _ := unstructured.NestedString(o.Object, "spec", "version")
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		m := c.(map[string]any)
		if m["type"] == "Ready" && m["status"] == "True" {
			return spec == version && observed == o.GetGeneration()
		}
	}
	return false
}
