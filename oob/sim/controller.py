"""A bumble software controller that keeps to what an advertisement says."""

from bumble import ll
from bumble.controller import AdvertisingSet, Controller
from bumble.hci import HCI_LE_Set_Extended_Advertising_Parameters_Command

_CONNECTABLE = HCI_LE_Set_Extended_Advertising_Parameters_Command.AdvertisingProperties.CONNECTABLE_ADVERTISING


class SimulatedController(Controller):
    """A simulated controller, to which nobody connects by an advertisement that is not connectable."""

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        """Take a connection request where bumble, which takes any, would be right to."""
        at_address = (each for each in self.advertising_sets.values() if each.address == packet.advertiser_address)
        if any(_takes_connections(each) for each in at_address):
            super().on_le_connect_ind(packet)


def _takes_connections(advertised: AdvertisingSet) -> bool:
    parameters = advertised.parameters
    return (
        advertised.enabled and parameters is not None and bool(parameters.advertising_event_properties & _CONNECTABLE)
    )
