"""The answer: all options, the best, how far it is from being another one."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.base.errors import InputError
from skosh.base.evidence import Figure
from skosh.place.band import Band
from skosh.place.catalogue import Catalogue
from skosh.place.flips import Flip, find_flips
from skosh.place.options import Option, Wants, all_options, best_of, not_tried, pareto
from skosh.place.setting import AIMS, Setting
from skosh.place.work import Work


@dataclass(frozen=True)
class Answer:
    """front: names on the Pareto front. break_even: MACs for each byte not sent; below it sending costs less energy."""

    work: Work
    setting: Setting
    wants: Wants
    aim: str
    options: tuple[Option, ...]
    best: Option | None
    front: tuple[str, ...]
    break_even: Band
    flips: tuple[Flip, ...]

    @property
    def not_tried(self) -> tuple[tuple[str, str], ...]:
        """(name, what is missing) of options that need a measurement which wasn't made."""
        return not_tried(self.work, self.setting)

    @property
    def assumed(self) -> tuple[Figure, ...]:
        """The figures that nobody has shown and that the answer rests on."""
        return tuple(f for f in self.setting.used if f.evidence == "assumed")


def plan(work: Work, setting: Setting, wants: Wants, aim: str = "energy") -> Answer:
    """Tries everything: the options are few. Raises InputError when the aim is unknown, or accuracy is asked for unmeasured."""
    if aim not in AIMS:
        raise InputError(f'aim must be one of {", ".join(AIMS)}, not "{aim}"')
    if wants.accuracy is not None and work.accuracy is None:
        raise InputError("an accuracy can be asked for only when it is measured", hint="give labelled samples")
    options = all_options(work, setting, wants)
    best = best_of(options, aim)
    flips = find_flips(work, setting, wants, aim, best)
    return Answer(
        work,
        setting,
        wants,
        aim,
        options,
        best,
        tuple(o.name for o in pareto(options)),
        break_even(work, setting),
        flips,
    )


def break_even(work: Work, setting: Setting) -> Band:
    """I* = 8 * E(bit) / E(MAC): MACs that cost as much as sending a byte in bulk, upkeep and wake-up left out."""
    bit_pj = setting.link.nj_per_bit.scaled(8000)
    if not work.macs:
        return Band(0.0, 0.0)
    mac_pj = (work.cycles * setting.pj_per_cycle).scaled(1 / work.macs)
    return bit_pj / mac_pj


def make_setting(
    catalogue: Catalogue, *, device: str, link: str, gateway: str = "pi4", cloud: str = "aws", battery: str = "cr2032",
    rate: float = 1.0, supply: str | None = None, report: float = 0.0, data_rate: float | None = None,
    distance: float = 1.0, mah: float | None = None, loss: float | None = None, fragments: int = 1,
    clock_mhz: float | None = None,
) -> Setting:  # fmt: skip
    """A setting by names. Raises InputError for names that the catalogue doesn't know, and numbers out of range."""
    for name, value in (("rate", rate), ("distance", distance), ("fragments", fragments)):
        if not 0 < value < float("inf"):
            raise InputError(f"{name} must be > 0, not {value}")
    for name, number in (("data rate", data_rate), ("battery capacity", mah), ("clock", clock_mhz)):
        if number is not None and not 0 < number < float("inf"):
            raise InputError(f"{name} must be > 0, not {number}")
    for name, number in (("report", report), ("loss", loss)):
        if number is not None and not 0 <= number <= 1:
            raise InputError(f"{name} must be from 0 to 1, not {number}")
    board = catalogue.board(device)
    chip = catalogue.chip_of(board)
    if chip is None:
        hint = f"add [chip.generic-{board.target}] to your catalogue"
        raise InputError(f'nothing is known of what "{device}" draws', hint=hint)
    if supply is not None and supply not in chip.supplies:
        known = ", ".join(f'"{x}"' for x in chip.supplies) or "none"
        raise InputError(f'supply of {chip.id} must be one of {known}, not "{supply}"')
    return Setting(
        catalogue, board, chip, catalogue.record("link", link), catalogue.record("gateway", gateway),
        catalogue.record("cloud", cloud), catalogue.record("battery", battery), rate, supply, report, data_rate, distance,
        mah, loss, fragments, clock_mhz,
    )  # fmt: skip
