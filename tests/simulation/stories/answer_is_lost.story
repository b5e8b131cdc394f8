# The kernel does it, and its answer is lost.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
lose answer 1
gwm says 30 30 q
kernel has 30 30 0
clients reach 1 2
healthy
