# A server is quiesced, saspd is killed and started, the quiesce ends: it comes back.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
kill
start
kernel has 40 0 20
gwm says 40 30 20
kernel has 40 30 20
healthy
