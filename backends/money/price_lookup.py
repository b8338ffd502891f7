"""What a model costs: the price the user gives, else the one the public list of `genai-prices` has.

The list is a package's data: nothing is looked up on the network, and a price is as old as the package. A
model that it does not know, or of which it lists only a part, has no price here; that is never 0.
"""

from backends.money.prices import Offer, Price


def offered_price(offer: Offer, given: Price | None) -> Price | None:
    """What an offer costs: what the user gave, else what is listed for the model there, else None."""
    if given is not None:
        return given
    # A quarter of a second, for a list that runs of local models need not read.
    from backends.money.price_list import listed_price, provider_at

    provider = provider_at(offer.address)
    listed = None if provider is None else listed_price(offer.model, provider)
    return listed if listed is None or offer.share == 1 else listed.at_share(offer.share)
