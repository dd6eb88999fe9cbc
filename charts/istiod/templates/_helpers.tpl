{{- define "istiod.effective" -}}
{{- include "fairlead.effective" (list . "pilot") -}}
{{- end -}}

{{/* Not empty when objects of the scope given, "cluster" or "namespace", are rendered: (list . "cluster"). */}}
{{- define "istiod.scope" -}}
{{- if has ((index . 0).Values._effective.global.resourceScope | default "all") (list "all" (index . 1)) -}}yes{{- end -}}
{{- end -}}

{{/* Not empty when this cluster runs the control plane itself. */}}
{{- define "istiod.local" -}}
{{- if or (not .Values._effective.istiodRemote.enabled) .Values._effective.istiodRemote.enabledLocalInjectorIstiod -}}yes{{- end -}}
{{- end -}}

{{/* "-REVISION", or nothing for the default one. */}}
{{- define "istiod.suffix" -}}
{{- with .Values._effective.revision }}-{{ . }}{{ end -}}
{{- end -}}

{{- define "istiod.version" -}}
{{- coalesce .Values._effective.tag .Values._effective.global.tag .Chart.AppVersion | toString -}}
{{- end -}}

{{- define "istiod.image" -}}
{{- $v := .Values._effective -}}
{{- if contains "/" $v.image -}}
{{ $v.image }}
{{- else -}}
{{- $variant := coalesce $v.variant $v.global.variant -}}
{{ coalesce $v.hub $v.global.hub }}/{{ $v.image }}:{{ include "istiod.version" . }}{{ if $variant }}-{{ $variant }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "istiod.labels" -}}
app: istiod
istio.io/rev: {{ .Values._effective.revision | default "default" | quote }}
operator.istio.io/component: Pilot
app.kubernetes.io/name: istiod
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ include "istiod.version" . | quote }}
helm.sh/chart: istiod-{{ .Chart.Version }}
{{- end -}}

{{/* Which pods are of this revision. */}}
{{- define "istiod.selector" -}}
app: istiod
{{- if .Values._effective.revision }}
istio.io/rev: {{ .Values._effective.revision | quote }}
{{- else }}
istio: pilot
{{- end }}
{{- end -}}

{{/* The mesh's configuration, meshConfig laid over what the revision decides. */}}
{{- define "istiod.mesh" -}}
{{- $v := .Values._effective -}}
{{- $ns := $v.global.istioNamespace -}}
{{- $discovery := printf "istiod%s.%s.svc:15012" (include "istiod.suffix" .) $ns -}}
{{- if and $v.istiodRemote.enabled $v.global.remotePilotAddress -}}
{{- $discovery = printf "istiod%s.%s.svc:15012" (ternary "-remote" (include "istiod.suffix" .) (not $v.istiodRemote.enabledLocalInjectorIstiod)) $ns -}}
{{- end -}}
{{- $default := dict "discoveryAddress" $discovery -}}
{{- with $v.global.meshID }}{{ $_ := set $default "meshId" . }}{{ end -}}
{{- $tracer := $v.global.proxy.tracer -}}
{{- if eq $tracer "lightstep" }}{{ $_ := set $default "tracing" (dict "lightstep" $v.global.tracer.lightstep) }}
{{- else if eq $tracer "datadog" }}{{ $_ := set $default "tracing" (dict "datadog" $v.global.tracer.datadog) }}
{{- else if eq $tracer "stackdriver" }}{{ $_ := set $default "tracing" (dict "stackdriver" $v.global.tracer.stackdriver) }}{{ end -}}
{{- $mesh := dict "rootNamespace" $ns "trustDomain" "cluster.local" "defaultConfig" $default "defaultProviders" (dict "metrics" (list "prometheus")) -}}
{{- if not (and $v.telemetry.enabled $v.telemetry.v2.enabled) }}{{ $_ := unset $mesh "defaultProviders" }}{{ end -}}
{{- toYaml (mustMergeOverwrite $mesh (deepCopy ($v.meshConfig | default dict))) -}}
{{- end -}}

{{/* What the injector's templates are told of the values. */}}
{{- define "istiod.injectorValues" -}}
{{- $v := .Values._effective -}}
{{- $global := deepCopy $v.global -}}
{{- $_ := set $global "tag" (include "istiod.version" .) -}}
{{- if not $global.hub }}{{ $_ := set $global "hub" $v.hub }}{{ end -}}
{{- toPrettyJson (dict "global" $global "revision" $v.revision "sidecarInjectorWebhook" (omit $v.sidecarInjectorWebhook "templates" "defaultTemplates") "pilot" (dict "cni" $v.cni "env" $v.env) "gateways" $v.gateways "meshConfig" ($v.meshConfig | default dict)) -}}
{{- end -}}
