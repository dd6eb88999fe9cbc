#!/usr/bin/env python3
"""Writes what installs the operator, from one source, the chart charts/fairlead-operator:

    config/manifests/fairlead.yaml   for kubectl apply -f: CRDs, namespace, RBAC, Deployment
    config/manifests/operator.yaml   of it the namespace and RBAC alone, for the lab, whose operators are pods of their own
    config/olm/                      a bundle for the Operator Lifecycle Manager

and copies what the charts share into each of them: charts/effective.tpl and charts/injector.tpl.

Run it after a change of the chart (make generate). With --check it only says whether they are up to date."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", ROOT / "build/release"))
CHART = ROOT / "charts/fairlead-operator"
NAMESPACE = "fairlead-system"
VERSION = (ROOT / "VERSION").read_text().strip()


def render(*args):
    done = subprocess.run([str(BUILD / "fairlead"), "render", str(CHART), "--name", "fairlead", "-n", NAMESPACE, *args], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def objects():
    """The chart's objects. The renderer's YAML is read back with the program that wrote it: JSON is what Python reads."""
    return [json.loads(line) for line in render("-o", "json").splitlines()]


def cluster_service_version(rendered):
    find = lambda kind: [o for o in rendered if o["kind"] == kind]
    deployment, role, cluster_rules = find("Deployment")[0], find("Role")[0], sum((r["rules"] for r in find("ClusterRole")), [])
    account = find("ServiceAccount")[0]["metadata"]["name"]
    crds = [json.loads(p.read_text().split("\n", 1)[1]) for p in sorted((CHART / "crds").iterdir())]
    examples = [{"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": {"version": "v1.28-latest", "namespace": "istio-cni"}}]
    described = {"IstioCNI": "The Istio CNI: its version, where its node agents run, and the istio-cni chart's values.",
                 "Istio": "An Istio control plane: its version, and how an update of it goes.", "IstioRevision": "One installation of a control plane.",
                 "IstioRevisionTag": "A name by which workloads ask for a revision.", "ZTunnel": "The node proxies of ambient mode."}
    return {
        "apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion",
        "metadata": {"name": f"fairlead-operator.v{VERSION}", "namespace": "placeholder",
                     "annotations": {"alm-examples": json.dumps(examples), "capabilities": "Seamless Upgrades", "categories": "Networking",
                                     "containerImage": deployment["spec"]["template"]["spec"]["containers"][0]["image"], "operatorframework.io/suggested-namespace": NAMESPACE}},
        "spec": {
            "displayName": "Fairlead", "version": VERSION, "maturity": "alpha", "minKubeVersion": "1.27.0", "provider": {"name": "Fairlead"},
            "description": "Installs Istio's control planes, node proxies and CNI, and updates the CNI without a gap in traffic redirection.",
            "keywords": ["istio", "cni", "service mesh"], "links": [], "maintainers": [{"name": "Fairlead", "email": "maintainers@fairlead.dev"}],
            "installModes": [{"type": t, "supported": t == "AllNamespaces"} for t in ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")],
            "customresourcedefinitions": {"owned": [{"name": c["metadata"]["name"], "kind": c["spec"]["names"]["kind"], "version": c["spec"]["versions"][0]["name"],
                                                     "displayName": c["spec"]["names"]["kind"], "description": described[c["spec"]["names"]["kind"]]} for c in crds]},
            "install": {"strategy": "deployment", "spec": {
                "clusterPermissions": [{"serviceAccountName": account, "rules": cluster_rules}],
                "permissions": [{"serviceAccountName": account, "rules": role["rules"]}],
                "deployments": [{"name": deployment["metadata"]["name"], "label": deployment["metadata"]["labels"], "spec": deployment["spec"]}]}}}}


def bundle(rendered):
    note = "# Written by tools/generate_manifests.py. YAML that is JSON.\n"
    labels = {"operators.operatorframework.io.bundle.mediatype.v1": "registry+v1", "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
              "operators.operatorframework.io.bundle.metadata.v1": "metadata/", "operators.operatorframework.io.bundle.package.v1": "fairlead-operator",
              "operators.operatorframework.io.bundle.channels.v1": "alpha", "operators.operatorframework.io.bundle.channel.default.v1": "alpha"}
    files = {"manifests/fairlead-operator.clusterserviceversion.yaml": note + json.dumps(cluster_service_version(rendered), indent=1) + "\n",
             "metadata/annotations.yaml": note + json.dumps({"annotations": labels}, indent=1) + "\n",
             "bundle.Containerfile": "# Written by tools/generate_manifests.py.\nFROM scratch\n" + "".join(f"LABEL {k}={v}\n" for k, v in labels.items())
             + "COPY manifests /manifests/\nCOPY metadata /metadata/\n"}
    for o in rendered:  # OLM makes accounts, roles and the Deployment from the ClusterServiceVersion
        if o["kind"] in ("Service", "PodDisruptionBudget"):
            o["metadata"].pop("namespace")
            files[f"manifests/{o['metadata']['name']}.{o['kind'].lower()}.yaml"] = note + json.dumps(o, indent=1) + "\n"
    for p in sorted((CHART / "crds").iterdir()):
        files["manifests/" + p.name] = p.read_text()
    return files


def without_deployment(text):
    """The documents that the operator needs where something else runs it, and no CRDs."""
    kept = [d for d in text.split("---\n")[1:] if not any(f"\nkind: {k}\n" in "\n" + d for k in ("Deployment", "PodDisruptionBudget", "Service"))]
    return "".join("---\n" + d for d in kept)


def main():
    wanted = {ROOT / "config/manifests/operator.yaml":
              "# Written by tools/generate_manifests.py from charts/fairlead-operator: the operator without the pods that run it.\n"
              + without_deployment(render("--set", "createNamespace=true")),
              ROOT / "config/manifests/fairlead.yaml":
              "# Written by tools/generate_manifests.py from charts/fairlead-operator.\n" + render("--include-crds", "--set", "createNamespace=true")}
    # What charts share is a file of its own in each: Helm has no other way for a chart that stands alone.
    for name, charts in (("effective", ("base", "istio-cni", "istiod", "revisiontags", "ztunnel")), ("injector", ("istiod", "revisiontags"))):
        wanted |= {ROOT / f"charts/{chart}/templates/_{name}.tpl": (ROOT / f"charts/{name}.tpl").read_text() for chart in charts}
    wanted |= {ROOT / "config/olm" / name: text for name, text in bundle(objects()).items()}
    stale = [str(p.relative_to(ROOT)) for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    if "--check" in sys.argv:
        if stale:
            sys.exit("out of date, run make generate: " + ", ".join(stale))
        return
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
