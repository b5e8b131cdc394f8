# All are quiesced, which is not well; saspd is restarted; all come back.
kernel is 40 30
start
gwm says q q
kernel has 0 0
unhealthy
stop
start
kernel has 0 0
unhealthy
gwm says 40 30
kernel has 40 30
healthy
