"""The demonstration: broker, archive and box as processes of their own, and a simulated line to call them from.

Three calls are made, one after the other; what happened is shown while it happens, checked afterwards, and told in
plain words. The simulated world lives in this process; the box is another one, so its memory can be searched for what
must not be in it.
"""

from handschlag.sim.demo.show import run

__all__ = ["run"]
