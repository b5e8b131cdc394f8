# ipvsadm -S, -C and -R while a zero is ours: it is ours again.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
somebody saves
somebody clears
wait 12
unhealthy
somebody restores
wait 6
kernel has 40 0 20
gwm says 40 30 20
kernel has 40 30 20
