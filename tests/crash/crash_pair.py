"""placeholder"""
def act(order): return 0
