{{- define "base.effective" -}}
{{- include "fairlead.effective" (list . "base") -}}
{{- end -}}

{{/* Not empty when objects of the scope given, "cluster" or "namespace", are rendered: (list . "cluster"). */}}
{{- define "base.scope" -}}
{{- if has ((index . 0).Values._effective.global.resourceScope | default "all") (list "all" (index . 1)) -}}yes{{- end -}}
{{- end -}}

{{- define "base.labels" -}}
app.kubernetes.io/name: istio-base
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: base-{{ .Chart.Version }}
{{- end -}}
