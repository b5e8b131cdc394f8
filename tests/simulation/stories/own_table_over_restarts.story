# A service of saspd's own, over ends of all kinds: quiesced servers stay so, and come back.
option managed
kernel is - - -
start
gwm says 40 30 20
kernel has 40 30 20
healthy
never 0 0 0
gwm says 40 q 20
kernel has 40 0 20
clients reach 1 3
stop
gwm says q 30 20
wait 10
start
kernel has 0 30 20
clients reach 2 3
kill
start
kernel has 0 30 20
gwm says 40 30 20
kernel has 40 30 20
clients reach 1 2 3
healthy
