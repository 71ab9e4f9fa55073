# A terminal multiplexer: a server, a shell on a pseudo-terminal of its own, clients that talk over a socket.
export TMUX_TMPDIR=$PWD TERM=xterm
t() { tmux -L test -f /dev/null "$@"; }
t -D & server=$!
until t has-session 2> /dev/null; [ -S tmux-$(id -u)/test ]; do kill -0 $server || exit 1; done
t new-session -d -x 80 -y 24 "sh -c 'stty size; echo in a pane; tmux -L test wait-for -S ready; read line; echo got \$line; tmux -L test wait-for -S done; read end'"
t wait-for ready
t send-keys 'some text' Enter
t wait-for done
t capture-pane -p | grep -v '^$'
t resize-window -x 100 -y 30
t display-message -p '#{window_width}x#{window_height} #{session_windows}'
# The pane's program ends before the server does, which would only send it SIGHUP.
t send-keys Enter
while t has-session 2> /dev/null; do :; done
t kill-server
wait $server; echo "server: $?"
