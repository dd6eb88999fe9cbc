{{/*
The webhooks by which pods get their sidecar from the istiod of a revision. Called with (dict "name" NAME "service" NAME
"path" PATH "values" VALUES): `name` is what namespaces and pods ask for with istio.io/rev, a revision or a tag; "default" also
serves those that ask with istio-injection or sidecar.istio.io/inject. This file is the same in each chart; its source is
charts/injector.tpl.
*/}}
{{- define "fairlead.injector" -}}
{{- $name := .name -}}
{{- $not := dict "key" "sidecar.istio.io/inject" "operator" "NotIn" "values" (list "false") -}}
{{- $norev := dict "key" "istio.io/rev" "operator" "DoesNotExist" -}}
{{- $noinjection := dict "key" "istio-injection" "operator" "DoesNotExist" -}}
{{- $rev := dict "key" "istio.io/rev" "operator" "In" "values" (list $name) -}}
{{- $webhooks := list (list "rev.namespace" (list $rev $noinjection) (list $not)) (list "rev.object" (list $norev $noinjection) (list $not $rev)) -}}
{{- if eq $name "default" -}}
{{- $enabled := dict "key" "istio-injection" "operator" "In" "values" (list "enabled") -}}
{{- $wanted := dict "key" "sidecar.istio.io/inject" "operator" "In" "values" (list "true") -}}
{{- $webhooks = concat $webhooks (list (list "namespace" (list $enabled) (list $not)) (list "object" (list $noinjection $norev) (list $wanted $norev))) -}}
{{- if .values.sidecarInjectorWebhook.enableNamespacesByDefault -}}
{{- $own := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (list "kube-system" "kube-public" "kube-node-lease" "local-path-storage") -}}
{{- $unsaid := dict "key" "sidecar.istio.io/inject" "operator" "DoesNotExist" -}}
{{- $webhooks = append $webhooks (list "auto" (list $noinjection $norev $own) (list $unsaid $norev)) -}}
{{- end -}}
{{- end -}}
{{- range $webhooks }}
- name: {{ index . 0 }}.sidecar-injector.istio.io
  clientConfig:
    {{- if $.values.istiodRemote.injectionURL }}
    url: {{ $.values.istiodRemote.injectionURL | quote }}
    {{- else }}
    service:
      name: {{ $.service }}
      namespace: {{ $.values.global.istioNamespace }}
      path: {{ $.path | quote }}
      port: 443
    {{- end }}
    {{- with $.values.istiodRemote.injectionCABundle }}
    caBundle: {{ . | quote }}
    {{- end }}
  sideEffects: None
  rules:
  - operations: [CREATE]
    apiGroups: [""]
    apiVersions: [v1]
    resources: [pods]
  failurePolicy: Fail
  reinvocationPolicy: {{ $.values.sidecarInjectorWebhook.reinvocationPolicy | quote }}
  admissionReviewVersions: [v1]
  namespaceSelector:
    matchExpressions:
    {{- range index . 1 }}
    - {{ toJson . }}
    {{- end }}
  objectSelector:
    matchExpressions:
    {{- range index . 2 }}
    - {{ toJson . }}
    {{- end }}
{{- end }}
{{- end -}}
