{{/* Who may talk with whom on the event network: said once, rendered as Kubernetes' or Calico's. */}}

{{/* Ways of a part: a YAML map of `in` and `out`, lists of {namespace, labels, cidrs, ports}. */}}
{{- define "bateleur.ways" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $policy := $root.Values.eventNetwork.policy -}}
{{- $ports := list -}}
{{- range $policy.dns.ports -}}
{{- $ports = concat $ports (list (dict "port" (int .) "protocol" "UDP") (dict "port" (int .) "protocol" "TCP")) -}}
{{- end -}}
{{- $dns := list (dict "namespace" $policy.dns.namespace "labels" $policy.dns.labels "ports" $ports) -}}
{{- if $policy.dns.cidrs }}{{ $dns = append $dns (dict "cidrs" $policy.dns.cidrs "ports" $ports) }}{{ end -}}
{{- $in := list -}}
{{- $out := list -}}
{{- if eq $part "sensor" -}}
{{- $in = concat $in (include "bateleur.monitoring" (list $root $root.Values.metrics.port) | fromYamlArray) -}}
{{- $out = concat $out $dns -}}
{{- if eq $root.Values.mode "standalone" -}}
{{- $search := $root.Values.logstash.search -}}
{{- $out = append $out (dict "namespace" (ternary "" $search.namespace (gt (len $search.cidrs) 0))
    "labels" $search.labels "cidrs" $search.cidrs "ports" (list (dict "port" $search.port "protocol" "TCP"))) -}}
{{- else -}}
{{- $to := index $root.Values $root.Values.mode -}}
{{- $out = append $out (dict "namespace" ($to.namespace | default "") "labels" ($to.labels | default dict)
    "cidrs" ($to.cidrs | default list) "ports" (include "bateleur.tcp" $to.ports | fromYamlArray)) -}}
{{- end -}}
{{- if eq $root.Values.rules.source "server" -}}
{{- $out = append $out (dict "labels" (include "bateleur.selector" (list $root "rules-server") | fromYaml)
    "ports" (list (dict "port" $root.Values.rules.server.port "protocol" "TCP"))) -}}
{{- end -}}
{{- if eq $root.Values.rules.source "remote" -}}
{{- $out = append $out (dict "cidrs" $root.Values.rules.follow.cidrs "ports" (include "bateleur.tcp" $root.Values.rules.follow.ports | fromYamlArray)) -}}
{{- end -}}
{{- $out = concat $out $policy.extraEgress -}}
{{- else if eq $part "rules-server" -}}
{{- $port := include "bateleur.tcp" (list $root.Values.rules.server.port) | fromYamlArray -}}
{{- if $root.Values.capture.hostNetwork -}}
{{- $in = append $in (dict "cidrs" $policy.nodeCidrs "ports" $port) -}}
{{- else -}}
{{- $in = append $in (dict "labels" (include "bateleur.selector" (list $root "sensor") | fromYaml) "ports" $port) -}}
{{- end -}}
{{- if $root.Values.rules.rollout.enabled -}}
{{- $in = append $in (dict "labels" (include "bateleur.selector" (list $root "rules-update") | fromYaml) "ports" $port) -}}
{{- end -}}
{{- $in = concat $in (include "bateleur.monitoring" (list $root $root.Values.rules.server.port) | fromYamlArray) -}}
{{- else -}}
{{- $ports := $root.Values.rules.update.ports -}}
{{- with $root.Values.rules.proxy -}}
{{- if and .url (not .secretName) -}}
{{- $ports = append $ports (regexFind "[0-9]+$" (urlParse .url).host | default "80" | int) | uniq -}}
{{- end -}}
{{- end -}}
{{- $out = concat $out $dns -}}
{{- $out = append $out (dict "cidrs" ($root.Values.rules.update.cidrs | default (list "0.0.0.0/0" "::/0"))
    "ports" (include "bateleur.tcp" $ports | fromYamlArray)) -}}
{{- if $root.Values.rules.rollout.enabled -}}
{{- $out = append $out (dict "labels" (include "bateleur.selector" (list $root "rules-server") | fromYaml)
    "ports" (include "bateleur.tcp" (list $root.Values.rules.server.port) | fromYamlArray)) -}}
{{- end -}}
{{- end -}}
{{- dict "in" $in "out" $out | toYaml -}}
{{- end -}}

{{/* Who fetches metrics: (list . PORT). */}}
{{- define "bateleur.monitoring" -}}
{{- $policy := (index . 0).Values.eventNetwork.policy -}}
{{- $ports := include "bateleur.tcp" (list (index . 1)) | fromYamlArray -}}
{{- $in := list (dict "namespace" $policy.monitoringNamespace "ports" $ports) -}}
{{- if $policy.monitoringCidrs }}{{ $in = append $in (dict "cidrs" $policy.monitoringCidrs "ports" $ports) }}{{ end -}}
{{- toYaml $in -}}
{{- end -}}

{{/* Ports of TCP, of their numbers. */}}
{{- define "bateleur.tcp" -}}
{{- range . }}
- {port: {{ int . }}, protocol: TCP}
{{- end }}
{{- end -}}

{{/* The parts that this release has. */}}
{{- define "bateleur.parts" -}}
{{- $parts := list -}}
{{- if not .Values.capture.hostNetwork }}{{ $parts = append $parts "sensor" }}{{ end -}}
{{- if eq .Values.rules.source "server" }}{{ $parts = append $parts "rules-server" }}{{ end -}}
{{- if include "bateleur.bundles" . }}{{ $parts = append $parts "rules-update" }}{{ end -}}
{{- $parts | toJson -}}
{{- end -}}

{{/* The other side, as networking.k8s.io has it. */}}
{{- define "bateleur.peers" -}}
{{- if .cidrs }}
{{- range .cidrs }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- else }}
- podSelector:
    matchLabels: {{ .labels | default dict | toJson }}
  {{- with .namespace }}
  namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . | quote }}}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The other side, as Calico has it, without the ports of a destination. */}}
{{- define "bateleur.calicoPeer" -}}
{{- if .cidrs -}}
nets: {{ .cidrs | toJson }}
{{- else -}}
{{- $words := list -}}
{{- range $key, $value := .labels | default dict }}{{ $words = append $words (printf "%s == '%s'" $key $value) }}{{ end -}}
selector: {{ join " && " $words | default "all()" | quote }}
{{- with .namespace | default .own }}
namespaceSelector: {{ printf "kubernetes.io/metadata.name == '%s'" . | quote }}
{{- end }}
{{- end -}}
{{- end -}}
