from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.conformance import Case, ComponentSuite

STATE = (
    *("value.weight", "value.bias", "gate.weight", "gate.bias"),
    *("around.weight", "around.bias", "project.weight", "project.bias"),
)


class TestLargeKernelGate(ComponentSuite):
    component = "large_kernel_gate"
    cases = (
        Case(FeatureMap(8, Size(14, 14)), {}, state=STATE),
        Case(FeatureMap(6, Size(9, 5)), {"kernel": Size(3, 11)}, state=STATE),
    )
