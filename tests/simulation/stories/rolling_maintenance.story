# One server after the other is quiesced, and saspd is restarted in each quiesce.
kernel is 40 40 40
start
gwm says q 40 40
kernel has 0 40 40
stop
start
gwm says 40 q 40
kernel has 40 0 40
kill
start
gwm says 40 40 q
kernel has 40 40 0
stop
start
gwm says 40 40 40
kernel has 40 40 40
healthy
