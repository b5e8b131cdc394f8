# The same in the moment before it is raised.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
somebody edits 2
gwm says 40 30 20
kernel has 40 0 20
