# Advice that would leave no server is not followed, and that is said.
kernel is 40 30
start
gwm says 40 30
kernel has 40 30
never 0 0
gwm says down down
kernel has 40 30
unhealthy
gwm says 20 30
kernel has 20 30
healthy
