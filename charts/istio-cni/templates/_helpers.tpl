{{- define "istio-cni.effective" -}}
{{- include "fairlead.effective" (list . "cni") -}}
{{- end -}}

{{/* Not empty when objects of the scope given, "cluster" or "namespace", are rendered: (list . "cluster"). */}}
{{- define "istio-cni.scope" -}}
{{- $want := (index . 0).Values._effective.global.resourceScope | default "all" -}}
{{- if not (has $want (list "all" "cluster" "namespace")) -}}
{{- fail (printf "values.global.resourceScope: %q is not known; use \"all\", \"cluster\" or \"namespace\"" $want) -}}
{{- end -}}
{{- if has $want (list "all" (index . 1)) -}}yes{{- end -}}
{{- end -}}

{{- define "istio-cni.image" -}}
{{- include "istio-cni.effective" . -}}
{{- $v := .Values._effective -}}
{{- if contains "/" $v.image -}}
{{ $v.image }}
{{- else -}}
{{- $tag := coalesce $v.tag $v.global.tag .Chart.AppVersion | toString -}}
{{- $variant := coalesce $v.variant $v.global.variant -}}
{{ coalesce $v.hub $v.global.hub }}/{{ $v.image }}:{{ $tag }}{{ if $variant }}-{{ $variant }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "istio-cni.labels" -}}
{{- include "istio-cni.effective" . -}}
{{- $v := .Values._effective -}}
app: istio-cni
app.kubernetes.io/name: istio-cni
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ coalesce $v.tag $v.global.tag .Chart.AppVersion | toString | quote }}
helm.sh/chart: cni-{{ .Chart.Version }}
istio.io/rev: {{ $v.revision | default "default" | quote }}
operator.istio.io/component: Cni
{{- end -}}

{{/* What the agent reads from its environment. */}}
{{- define "istio-cni.config" -}}
{{- include "istio-cni.effective" . -}}
{{- $v := .Values._effective -}}
{{- if and (ne (toString $v.provider) "default") (ne (toString $v.provider) "multus") -}}
{{- fail (printf "values.cni.provider: %q is not known; use \"default\" or \"multus\"" (toString $v.provider)) -}}
{{- end -}}
AMBIENT_ENABLED: {{ $v.ambient.enabled | quote }}
{{- if $v.ambient.enabled }}
AMBIENT_ENABLEMENT_SELECTOR: {{ with $v.ambient.enablementSelectors }}{{ toJson . | quote }}{{ else }}""{{ end }}
AMBIENT_DNS_CAPTURE: {{ $v.ambient.dnsCapture | quote }}
AMBIENT_IPV6: {{ $v.ambient.ipv6 | quote }}
AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: {{ $v.ambient.reconcileIptablesOnStartup | quote }}
ENABLE_AMBIENT_DETECTION_RETRY: {{ $v.ambient.enableAmbientDetectionRetry | quote }}
{{- end }}
ISTIO_OWNED_CNI_CONFIG: {{ $v.istioOwnedCNIConfig | quote }}
{{- if $v.istioOwnedCNIConfig }}
ISTIO_OWNED_CNI_CONFIG_FILENAME: {{ $v.istioOwnedCNIConfigFileName | default "02-istio-cni.conflist" | quote }}
{{- end }}
CHAINED_CNI_PLUGIN: {{ $v.chained | quote }}
CURRENT_AGENT_VERSION: {{ coalesce $v.tag $v.global.tag .Chart.AppVersion | toString | quote }}
EXCLUDE_NAMESPACES: {{ join "," $v.excludeNamespaces | quote }}
{{- if $v.cniConfFileName }}
CNI_CONF_NAME: {{ $v.cniConfFileName | quote }}
{{- end }}
NATIVE_NFTABLES: {{ $v.global.nativeNftables | quote }}
REPAIR_ENABLED: {{ $v.repair.enabled | quote }}
REPAIR_LABEL_PODS: {{ $v.repair.labelPods | quote }}
REPAIR_DELETE_PODS: {{ $v.repair.deletePods | quote }}
REPAIR_REPAIR_PODS: {{ $v.repair.repairPods | quote }}
REPAIR_INIT_CONTAINER_NAME: {{ $v.repair.initContainerName | quote }}
REPAIR_BROKEN_POD_LABEL_KEY: {{ $v.repair.brokenPodLabelKey | quote }}
REPAIR_BROKEN_POD_LABEL_VALUE: {{ $v.repair.brokenPodLabelValue | quote }}
{{- range $key, $value := $v.env }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end -}}
