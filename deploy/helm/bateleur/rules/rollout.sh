# Has the rule server give sensors the set that is current in the store, in stages: docs/rules-shared.md.
# The program's image has no shell to put one command's answer into the next; the runner's has. The
# token is read from its file and sent; it is in no argument and in no line of the log.
#
# Environment: STORE (a folder), SERVER and PORT, CHANNEL, STAGES (10,50,100), SOAK, FAILURES, SILENCE,
# WAIT (seconds for the end; 0: no longer than for the beginning), PATIENCE (seconds for the server to
# come up), TOKEN (a file, or nothing).
set -eu

# ask METHOD PATH [BODY]: the answer, with its head.
ask() {
    body=${3:-}
    {
        printf '%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n' "$1" "$2" "$SERVER" "${#body}"
        if [ -n "${TOKEN:-}" ]; then
            printf 'Authorization: Bearer '
            head -n 1 "$TOKEN" | tr -d ' \t\r\n'
            printf '\r\n'
        fi
        printf '\r\n%s' "$body"
    } | nc -w 30 "$SERVER" "$PORT"
}
# Of an answer: its status, the first text of a key, what is said of an error or a stop.
status() { printf '%s\n' "$1" | sed -n '1s/^HTTP\/1\.[01] \([0-9]*\).*/\1/p'; }
word() { printf '%s\n' "$1" | tr ',{' '\n\n' | sed -n "s/^\"$2\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }
why() { printf '%s\n' "$1" | sed -n 's/.*"\(error\|reason\)":"\(\([^"\\]\|\\.\)*\)".*/\2/p' | head -n 1; }
end() { echo "$2"; exit "$1"; }

bundle=$(sha256sum "$STORE/current/manifest.json" | cut -d ' ' -f 1)
waited=0
until answer=$(ask GET "/v1/rollouts/$CHANNEL") && [ -n "$(status "$answer")" ]; do
    [ "$waited" -lt "$PATIENCE" ] || end 1 "$SERVER:$PORT does not answer for $waited s"
    sleep 5
    waited=$((waited + 5))
done
case $(status "$answer") in
    200) state=$(word "$answer" state) of=$(word "$answer" bundle) ;;
    404) state=none of= ;;
    *) end 1 "$SERVER: $(why "$answer")" ;;
esac

case $state in
    running | stopped)
        if [ "$of" != "$bundle" ] && [ "$state" = running ]; then
            end 0 "the roll-out of bundle $of is under way; bundle $bundle has to wait"
        elif [ "$state" = stopped ]; then
            end 1 "the roll-out of bundle $of is stopped ($(why "$answer")): resume it, or go back"
        fi
        echo "the roll-out of bundle $bundle is under way" ;;
    *)
        channel=$(ask GET "/v1/channels/$CHANNEL.json")
        if [ "$(status "$channel")" = 200 ] && [ "$(word "$channel" bundle)" = "$bundle" ]; then
            end 0 "channel $CHANNEL has bundle $bundle already"
        elif [ "$state" = back ] && [ "$of" = "$bundle" ]; then
            end 0 "bundle $bundle was taken back; only another one is rolled out"
        elif [ "$(status "$channel")" = 404 ]; then
            # Nobody has anything that could become worse.
            STAGES=100 SOAK=0 FAILURES=1000000
        fi
        plan="{\"stages\":[$STAGES],\"soak\":$SOAK,\"failures\":$FAILURES,\"silence\":$SILENCE}"
        answer=$(ask POST "/v1/rollouts/$CHANNEL" "{\"order\":\"start\",\"bundle\":\"$bundle\",\"plan\":$plan}")
        [ "$(status "$answer")" = 200 ] || end 1 "bundle $bundle is not rolled out: $(why "$answer")"
        echo "bundle $bundle is rolled out in stages: $STAGES %" ;;
esac

waited=0
while [ "$waited" -lt "$WAIT" ]; do
    answer=$(ask GET "/v1/rollouts/$CHANNEL" || true)
    case $(word "$answer" state) in
        done) end 0 "all sensors have bundle $bundle, or get it" ;;
        stopped) end 1 "stopped: $(why "$answer")" ;;
        back) end 1 "taken back: $(why "$answer")" ;;
    esac
    sleep 5
    waited=$((waited + 5))
done
[ "$WAIT" = 0 ] || end 1 "the roll-out has not ended after $WAIT s; it goes on"
