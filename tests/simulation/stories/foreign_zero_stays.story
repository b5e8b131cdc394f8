# Somebody's zero is raised by nobody else, over restarts and changes of advice; by hand it is.
kernel is 40 30 20
start
gwm says 40 30 20
kernel has 40 30 20
somebody sets 2 to 0
kernel has 40 0 20
gwm says 50 35 20
kernel has 50 0 20
kill
start
kernel has 50 0 20
somebody sets 2 to 1
kernel has 50 35 20
