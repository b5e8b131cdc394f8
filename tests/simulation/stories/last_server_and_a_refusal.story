# The only server goes and another one comes; the kernel refuses that one at first.
kernel is 40 40
start
gwm says 40 q
kernel has 40 0
never 0 0
refuse write 1
gwm says q 40
kernel has 0 40
