# keepalived fails a server that is quiesced; the quiesce ends first. It says so, and is heard.
option fifo
option keepalived
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
keepalived fails 2
gwm says 40 30 20
kernel has 40 0 20
keepalived finds 2
kernel has 40 30 20
