{{/*
Makes .Values._effective, once for all templates of a chart, out of: the chart's own values, below `defaults:`; the values
of the profile, of the compatibility version and of the platform, in files/profiles.yaml; and what the user gave, which
wins. Last of all, what is below the component's own key is laid over the top: `cni.image` is the same as `image`.
Called with (list . "cni"). This file is the same in each chart; its source is charts/effective.tpl.
*/}}
{{- define "fairlead.effective" -}}
{{- $root := index . 0 -}}
{{- if not (hasKey $root.Values "_effective") -}}
{{- $given := omit $root.Values "defaults" -}}
{{- $global := $given.global | default dict -}}
{{- $all := deepCopy $root.Values.defaults -}}
{{- $chosen := list (list "profiles" "profile" (coalesce $given.profile $global.profile)) (list "compatibilityVersions" "compatibility version" $given.compatibilityVersion) (list "platforms" "platform" (coalesce $given.platform $global.platform)) -}}
{{- range $chosen -}}
{{- $name := index . 2 | default "" | toString -}}
{{- if $name -}}
{{- $section := index ($root.Files.Get "files/profiles.yaml" | fromYaml) (index . 0) -}}
{{- if not (hasKey $section $name) -}}
{{- fail (printf "unknown %s %s; known are: %s" (index . 1) $name (keys $section | sortAlpha | join ", ")) -}}
{{- end -}}
{{- $all = mustMergeOverwrite $all (deepCopy (index $section $name | default dict)) -}}
{{- end -}}
{{- end -}}
{{- $all = mustMergeOverwrite $all (deepCopy $given) -}}
{{- $all = mustMergeOverwrite $all (deepCopy (index $all (index . 1) | default dict)) -}}
{{- $_ := set $root.Values "_effective" $all -}}
{{- end -}}
{{- end -}}
