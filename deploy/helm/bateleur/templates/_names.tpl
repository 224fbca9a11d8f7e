{{/* Names of objects, labels and images. */}}

{{- define "bateleur.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "bateleur.fullname" -}}
{{- $name := include "bateleur.name" . -}}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $made | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "bateleur.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "bateleur.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "bateleur.claim" -}}
{{- .Values.rules.volume.existingClaim | default (printf "%s-rules" (include "bateleur.fullname" .)) -}}
{{- end -}}

{{/* The name of a pool of addresses, or nothing: (list . "ipPool"). */}}
{{- define "bateleur.pool" -}}
{{- $root := index . 0 -}}
{{- $pool := index $root.Values.eventNetwork (index . 1) -}}
{{- $ending := dict "ipPool" "events" "ipv6Pool" "events-ipv6" | dig (index . 1) "" -}}
{{- $pool.name | default (ternary (printf "%s-%s" (include "bateleur.fullname" $root) $ending) "" $pool.create) -}}
{{- end -}}

{{/* What tells Calico from which pools a pod gets its addresses. */}}
{{- define "bateleur.pools" -}}
{{- with include "bateleur.pool" (list . "ipPool") }}
cni.projectcalico.org/ipv4pools: {{ list . | toJson | squote }}
{{- end }}
{{- with include "bateleur.pool" (list . "ipv6Pool") }}
cni.projectcalico.org/ipv6pools: {{ list . | toJson | squote }}
{{- end }}
{{- end -}}

{{/* Whether sensors follow signed bundles, and whether this release makes them. */}}
{{- define "bateleur.follows" -}}
{{- if has .Values.rules.source (list "pvc" "server" "remote") }}true{{ end -}}
{{- end -}}
{{- define "bateleur.bundles" -}}
{{- if has .Values.rules.source (list "pvc" "server") }}true{{ end -}}
{{- end -}}

{{/* What selects pods of a part: (list . "sensor"). */}}
{{- define "bateleur.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "bateleur.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | trunc 63 | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object: (list . PART [FURTHER]). What is further or common never takes the place of
those by which objects find each other. */}}
{{- define "bateleur.labels" -}}
{{- $root := index . 0 -}}
{{- $own := include "bateleur.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $further := dict -}}
{{- if gt (len .) 2 }}{{ $further = index . 2 | default dict }}{{ end -}}
{{- merge $own (deepCopy $further) (deepCopy $root.Values.commonLabels) | toYaml -}}
{{- end -}}

{{/* The start of every object's metadata: (list . NAME PART [ANNOTATIONS [LABELS]]). */}}
{{- define "bateleur.metadata" -}}
{{- $root := index . 0 -}}
{{- $own := dict -}}
{{- $labels := dict -}}
{{- if gt (len .) 3 }}{{ $own = index . 3 | default dict }}{{ end -}}
{{- if gt (len .) 4 }}{{ $labels = index . 4 | default dict }}{{ end -}}
name: {{ index . 1 | quote }}
labels:
  {{- include "bateleur.labels" (list $root (index . 2) $labels) | nindent 2 }}
{{- with merge (deepCopy $own) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image: (list . "logstash"). */}}
{{- define "bateleur.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}
