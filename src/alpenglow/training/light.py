"""The colours of a scene: what each time of day and each weather does to a sky and to what stands under it.

Knows no shapes. Colours are (red, green, blue) in 0 .. 1 and become hex text only where a shape is written.
"""

from dataclasses import dataclass, replace

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one moment. `sky` runs from the zenith over the middle to the horizon."""

    sky: tuple[Colour, Colour, Colour]
    haze: Colour
    """What far things fade to."""
    tint: Colour
    """What the colours of near things are multiplied by."""
    shadow: Colour
    """What a part of every near thing fades to: the colour of the air on this side."""
    veil: float
    """How large that part is, 0 .. 1."""
    snow_lit: Colour
    snow_shade: Colour
    orb: Colour
    """The sun's or the moon's disc."""
    glow: Colour
    overcast: Colour
    """The grey that bad weather draws over everything."""
    dark: bool
    """Whether lamps are lit."""
    cover: float = 0.0
    """How much snow lies on the ground, 0 .. 1."""
    thickness: float = 0.0
    """How much closer the air makes the haze, 0 .. 1."""

    def on(self, local: Colour, distance: float = 0.0, catches: float = 1.0) -> str:
        """How something of the colour `local` looks from a distance of 0 (here) to 1 (gone), as hex.

        `catches` is the share of the fallen snow that stays on it: all on the ground, less on what stands upright.
        """
        bare = mix(multiply(local, self.tint), self.shadow, self.veil)
        covered = mix(bare, mix(self.snow_shade, self.snow_lit, 0.75), self.cover * catches)
        return to_hex(mix(covered, self.haze, distance + (1 - distance) * self.thickness))


def light_of(time: str, weather: str) -> Light:
    """The light at a time of LIGHTS in a weather of WEATHERS."""
    clear, air = LIGHTS[time], WEATHERS[weather]
    zenith, middle, horizon = (mix(colour, clear.overcast, air.grey) for colour in clear.sky)
    return replace(
        clear,
        sky=(zenith, middle, horizon),
        haze=mix(clear.haze, clear.overcast, air.grey),
        glow=mix(clear.glow, clear.overcast, air.grey),
        tint=mix(clear.tint, multiply(clear.tint, (0.86, 0.89, 0.95)), air.grey),
        snow_lit=mix(clear.snow_lit, clear.overcast, air.grey * 0.5),
        cover=air.cover,
        thickness=air.thickness,
    )


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` 0 is the first colour, 1 the second."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def multiply(first: Colour, second: Colour) -> Colour:
    """The first colour seen through a filter of the second."""
    red, green, blue = (a * b for a, b in zip(first, second, strict=True))
    return red, green, blue


def rgb(text: str) -> Colour:
    """`#rrggbb` as a colour."""
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def to_hex(colour: Colour) -> str:
    """A colour as `#rrggbb`."""
    return "#" + "".join(f"{round(255 * min(max(part, 0.0), 1.0)):02x}" for part in colour)


@dataclass(frozen=True, slots=True)
class Weather:
    """What falls or hangs in the air. `clouds` per 1,000 units of width; `streaks` of rain and `flakes` of snow too."""

    grey: float = 0.0
    thickness: float = 0.0
    cover: float = 0.0
    clouds: float = 0.8
    hides_orb: bool = False
    streaks: int = 0
    flakes: int = 0
    banks: int = 0


WEATHERS: dict[str, Weather] = {
    "clear": Weather(),
    "cloudy": Weather(grey=0.25, clouds=4.0),
    "rain": Weather(grey=0.65, thickness=0.2, clouds=5.0, hides_orb=True, streaks=90),
    "snow": Weather(grey=0.5, thickness=0.15, cover=0.8, clouds=2.5, hides_orb=True, flakes=90),
    "fog": Weather(grey=0.5, thickness=0.4, clouds=0.0, banks=4),
}


def _sky(top: str, middle: str, horizon: str) -> tuple[Colour, Colour, Colour]:
    return rgb(top), rgb(middle), rgb(horizon)


LIGHTS: dict[str, Light] = {
    "sunrise": Light(
        sky=_sky("#6aa5de", "#f9cdb0", "#ffe9ae"),
        haze=rgb("#f5d0b4"),
        tint=(1.0, 0.92, 0.86),
        shadow=rgb("#e8a88a"),
        veil=0.18,
        snow_lit=rgb("#fff1de"),
        snow_shade=rgb("#b0b8da"),
        orb=rgb("#fffbe2"),
        glow=rgb("#fff0b0"),
        overcast=rgb("#d3c6c6"),
        dark=False,
    ),
    "day": Light(
        sky=_sky("#3d93e2", "#86c5f4", "#def2fb"),
        haze=rgb("#b8daf1"),
        tint=(1.0, 1.0, 1.0),
        shadow=rgb("#7fb0c8"),
        veil=0.06,
        snow_lit=rgb("#ffffff"),
        snow_shade=rgb("#b4cdec"),
        orb=rgb("#fff7c9"),
        glow=rgb("#fffbe6"),
        overcast=rgb("#b6c2cd"),
        dark=False,
    ),
    "sunset": Light(
        sky=_sky("#4b4590", "#e8697b", "#ffc56b"),
        haze=rgb("#e98f78"),
        tint=(0.9, 0.7, 0.62),
        shadow=rgb("#54205f"),
        veil=0.66,
        snow_lit=rgb("#ffd0a4"),
        snow_shade=rgb("#8a6f9f"),
        orb=rgb("#fff0b3"),
        glow=rgb("#ffd884"),
        overcast=rgb("#b48a8b"),
        dark=False,
    ),
    "dusk": Light(
        sky=_sky("#313a7c", "#9a70b8", "#f9afbd"),
        haze=rgb("#a583bd"),
        tint=(0.52, 0.5, 0.68),
        shadow=rgb("#38346e"),
        veil=0.3,
        snow_lit=rgb("#ffa7ad"),
        snow_shade=rgb("#6f66a8"),
        orb=rgb("#fff4e6"),
        glow=rgb("#f7c3cf"),
        overcast=rgb("#7f7799"),
        dark=True,
    ),
    "night": Light(
        sky=_sky("#0a1236", "#1a2a60", "#3f5794"),
        haze=rgb("#33487f"),
        tint=(0.3, 0.38, 0.58),
        shadow=rgb("#142050"),
        veil=0.3,
        snow_lit=rgb("#c3d0f1"),
        snow_shade=rgb("#5d71ab"),
        orb=rgb("#f6f2da"),
        glow=rgb("#8ea2d8"),
        overcast=rgb("#303b5c"),
        dark=True,
    ),
}
"""By time of day. Dusk is the alpenglow: the sun is gone, the snow still burns."""
