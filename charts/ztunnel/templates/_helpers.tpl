{{- define "ztunnel.effective" -}}
{{- include "fairlead.effective" (list . "ztunnel") -}}
{{- end -}}

{{- define "ztunnel.name" -}}
{{ .Values._effective.resourceName | default .Release.Name }}
{{- end -}}

{{/* Not empty when objects of the scope given, "cluster" or "namespace", are rendered: (list . "cluster"). */}}
{{- define "ztunnel.scope" -}}
{{- if has ((index . 0).Values._effective.global.resourceScope | default "all") (list "all" (index . 1)) -}}yes{{- end -}}
{{- end -}}

{{- define "ztunnel.version" -}}
{{- coalesce .Values._effective.tag .Values._effective.global.tag .Chart.AppVersion | toString -}}
{{- end -}}

{{- define "ztunnel.image" -}}
{{- $v := .Values._effective -}}
{{- if contains "/" $v.image -}}
{{ $v.image }}
{{- else -}}
{{- $variant := coalesce $v.variant $v.global.variant -}}
{{ coalesce $v.hub $v.global.hub }}/{{ $v.image }}:{{ include "ztunnel.version" . }}{{ if $variant }}-{{ $variant }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "ztunnel.labels" -}}
{{- $v := .Values._effective -}}
app: ztunnel
app.kubernetes.io/name: ztunnel
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ include "ztunnel.version" . | quote }}
helm.sh/chart: ztunnel-{{ .Chart.Version }}
{{- with $v.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where the control plane is: its namespace, and its service in it. */}}
{{- define "ztunnel.istioNamespace" -}}
{{- coalesce .Values._effective.global.istioNamespace .Values._effective.istioNamespace -}}
{{- end -}}

{{- define "ztunnel.istiod" -}}
istiod{{ with .Values._effective.revision }}-{{ . }}{{ end }}.{{ include "ztunnel.istioNamespace" . }}.svc:15012
{{- end -}}
