from archdsl.testing.conformance import ComponentSuite


class TestLargeKernelGate(ComponentSuite):
    component = "large_kernel_gate"
