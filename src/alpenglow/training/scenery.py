"""What stands on the ground of a scene: mountains, hills, sea, dunes, forests, houses, as SVG markup.

Every place is a function of a Stage. Units: the picture is 1,000 high and `stage.width` wide, y grows downward.
Knows no sky and no weather beyond the light that it is given.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from alpenglow.training.light import Colour, Light, mix, rgb, to_hex

Point = tuple[float, float]

ROCK = rgb("#7d87a5")
PINE, MEADOW, GRASS, LEAF = rgb("#2f6b58"), rgb("#7fb85a"), rgb("#5da04f"), rgb("#4a9150")
SAND, WET_SAND, DUNE, DUNE_SHADE = rgb("#f3dba6"), rgb("#d9b981"), rgb("#eeb56a"), rgb("#cf8a4e")
WATER, DEEP_WATER = rgb("#4fb3d3"), rgb("#2279b5")
TRUNK, CACTUS = rgb("#7a5238"), rgb("#5d9a5c")
HOUSES = (rgb("#7f8db0"), rgb("#66749c"), rgb("#4d5a85"))
LAMP = rgb("#ffd983")
FLOWERS = (rgb("#ffffff"), rgb("#ffd84d"), rgb("#f2728c"), rgb("#b68cf0"))


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a place is drawn: its width, its light, where the sun or moon stands and whether it shines."""

    width: float
    horizon: float
    light: Light
    orb: Point
    shining: bool
    rng: np.random.Generator

    def between(self, low: float, high: float) -> float:
        """A number drawn from a range."""
        return float(self.rng.uniform(low, high))

    def spots(self, spacing: float, jitter: float = 0.3) -> list[float]:
        """Places along the width, about `spacing` apart, a little outside the frame on both sides too."""
        count = int(self.width / spacing) + 3
        return [(i - 1 + self.between(-jitter, jitter)) * spacing for i in range(count)]


def mountains(stage: Stage) -> str:
    """Two ranges with snow caps above wooded foothills and a meadow."""
    return _ranges(stage, 800) + _foothills(stage, 0.3, 790) + _land(stage, MEADOW, 0.05, 860, 18)


def hills(stage: Stage) -> str:
    """Rolling hills, each nearer one greener, with round trees on them."""
    parts = [
        _land(stage, LEAF, 0.6, stage.horizon - 30, 62),
        _land(stage, MEADOW, 0.4, stage.horizon + 45, 60),
        _land(stage, GRASS, 0.2, stage.horizon + 125, 42),
    ]
    parts += [_tree(stage, x, stage.horizon + 150, stage.between(95, 140), 0.12) for x in stage.spots(350)]
    return "".join(parts) + _land(stage, MEADOW, 0.0, 840, 28)


def beach(stage: Stage) -> str:
    """The sea up to the horizon, a foam line and sand, with a palm at one side."""
    parts = [_water(stage, stage.horizon)]
    parts += [_land(stage, colour, 0.0, y, 12) for colour, y in ((rgb("#e6f6f5"), 772), (WET_SAND, 786), (SAND, 806))]
    side = stage.width * (0.12 if stage.orb[0] > stage.width / 2 else 0.88)
    return "".join(parts) + _palm(stage, side, 880, 430)


def sea(stage: Stage) -> str:
    """Open water with swells, and a sail far out."""
    x = stage.width * (0.28 if stage.orb[0] > stage.width / 2 else 0.72)
    parts = [_water(stage, stage.horizon), _sail(stage, x, stage.horizon + 34, 120)]
    parts += [_swell(stage, mix(DEEP_WATER, rgb("#0d4a86"), i / 3), 760 + 75 * i) for i in range(3)]
    return "".join(parts)


def desert(stage: Stage) -> str:
    """Dunes with a lit and a shaded side, and cacti."""
    parts = [_land(stage, DUNE, 0.5, stage.horizon - 10, 26)]
    for distance, y, height in ((0.35, stage.horizon + 130, 150), (0.15, stage.horizon + 250, 150)):
        parts += [_dune(stage, x, y, height, distance) for x in stage.spots(640)]
        parts.append(_block(0, y - 2, stage.width, 1000, stage.light.on(DUNE, distance)))
    x = stage.width * (0.2 if stage.orb[0] > stage.width / 2 else 0.8)
    return "".join(parts) + _cactus(stage, x, 800, 190) + _land(stage, DUNE, 0.0, 850, 24)


def forest(stage: Stage) -> str:
    """Rows of conifers that fade into the haze, and a clearing in front."""
    rows = ((0.66, 610, 200), (0.45, 690, 240), (0.24, 775, 280), (0.04, 865, 300))
    parts = [_wood(stage, y, height, distance) for distance, y, height in rows]
    return "".join(parts) + _land(stage, GRASS, 0.0, 868, 14)


def city(stage: Stage) -> str:
    """Three rows of houses, the nearest with windows, above a park."""
    parts = []
    for colour, distance, low, high, pitch in zip(
        HOUSES, (0.55, 0.3, 0.06), (260, 180, 110), (520, 400, 300), (75, 95, 125), strict=True
    ):
        parts += [_house(stage, x, pitch, stage.between(low, high), colour, distance) for x in stage.spots(pitch, 0.1)]
    return "".join(parts) + _block(0, 848, stage.width, 1000, stage.light.on(GRASS)) + _land(stage, GRASS, 0.0, 850, 8)


def meadow(stage: Stage) -> str:
    """A wide meadow with flowers, a wood at its far end and one old tree."""
    parts = [_land(stage, LEAF, 0.55, stage.horizon, 35), _wood(stage, stage.horizon + 75, 75, 0.45)]
    parts.append(_land(stage, MEADOW, 0.12, stage.horizon + 70, 18))
    x = stage.width * (0.2 if stage.orb[0] > stage.width / 2 else 0.8)
    parts += [_tree(stage, x, 790, 330, 0.03), _land(stage, GRASS, 0.0, 800, 16)]
    for flower in FLOWERS:
        dots = [(stage.between(0, stage.width), stage.between(835, 985)) for _ in range(int(stage.width / 55))]
        parts += [_disc(x, y, 4 + (y - 820) / 28, stage.light.on(flower)) for x, y in dots]
    return "".join(parts)


def lake(stage: Stage) -> str:
    """Mountains and a wooded shore, mirrored in still water."""
    shore = 660.0
    far = _ranges(stage, shore) + _wood(stage, shore, 70, 0.2, depth=0)
    mirrored = f'<g transform="matrix(1 0 0 -1 0 {2 * shore})" opacity="0.45">{far}</g>'
    ripples = [
        _block(x, y, x + stage.between(60, 190), y + 4, to_hex(stage.light.sky[2]), 0.35)
        for y in (690, 730, 775, 825)
        for x in stage.spots(420, 0.5)
    ]
    water = _block(0, shore, stage.width, 1000, _wet(stage, WATER, 0.6)) + mirrored + "".join(ripples)
    return water + far + _glitter(stage, shore) + _land(stage, GRASS, 0.0, 900, 16)


PLACES: dict[str, Callable[[Stage], str]] = {
    "mountains": mountains,
    "hills": hills,
    "beach": beach,
    "sea": sea,
    "desert": desert,
    "forest": forest,
    "city": city,
    "meadow": meadow,
    "lake": lake,
}


def polygon(points: Iterable[Point], fill: str, opacity: float = 1.0) -> str:
    """A filled shape through points."""
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon points="{corners}" fill="{fill}" fill-opacity="{opacity}"/>'


def _block(left: float, top: float, right: float, bottom: float, fill: str, opacity: float = 1.0) -> str:
    return polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill, opacity)


def _disc(x: float, y: float, radius: float, fill: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}"/>'


def _land(stage: Stage, local: Colour, distance: float, y: float, swell: float) -> str:
    """Ground from a gently waving edge at height `y` down to the bottom."""
    return _waved(stage, stage.light.on(local, distance), y, swell)


def _swell(stage: Stage, local: Colour, y: float) -> str:
    return _waved(stage, _wet(stage, local, 0.88), y, 14)


def _waved(stage: Stage, fill: str, y: float, swell: float) -> str:
    xs = np.linspace(0, stage.width, 48)
    edge = np.full_like(xs, y)
    for wavelength, share in ((1150.0, 1.0), (470.0, 0.35)):
        edge += swell * share * np.sin(2 * np.pi * (xs / wavelength + stage.between(0, 1)))
    points = [*zip(xs.tolist(), edge.tolist(), strict=True), (stage.width, 1000.0), (0.0, 1000.0)]
    return polygon(points, fill)


def _ranges(stage: Stage, base: float) -> str:
    """Far and near peaks. The near ones leave a valley where the sun or moon goes down."""
    scale = base / 800
    far = [_peak(stage, x, base, scale * stage.between(320, 400), 0.6) for x in stage.spots(290)]
    first = (stage.orb[0] - 225) % 450 - 450
    near = [
        _peak(stage, first + 450 * i + stage.between(-35, 35), base, scale * stage.between(430, 560), 0.2)
        for i in range(int(stage.width / 450) + 3)
    ]
    stage.rng.shuffle(near)
    return "".join(far + near)


def _peak(stage: Stage, x: float, base: float, height: float, distance: float) -> str:
    """A mountain: a lit and a shaded flank that meet in a bent ridge, and a snow cap with a ragged hem."""
    light, half = stage.light, height * stage.between(0.78, 0.92)
    top = base - height
    lit_left = stage.orb[0] < x
    ridge = [
        (x, top),
        (x + 0.05 * half, base - 0.72 * height),
        (x - 0.08 * half, base - 0.4 * height),
        (x + 0.1 * half, base),
    ]
    bright, dull = light.on(mix(ROCK, rgb("#b6bccd"), 0.45), distance, 0.6), light.on(ROCK, distance, 0.5)
    lit, shade = (to_hex(mix(snow, light.haze, distance * 0.55)) for snow in (light.snow_lit, light.snow_shade))
    hem = [(0.42, 0.42), (0.3, 0.35), (0.24, 0.47), (0.12, 0.36)]
    left_hem, right_hem = ([(x + side * half * a, top + height * d) for a, d in hem] for side in (-1, 1))
    crease = [_on_line(ridge, top + 0.44 * height), ridge[1]]
    dark_side, dark_hem = (1, right_hem) if lit_left else (-1, left_hem)
    parts = [
        polygon([(x, top), (x - half, base), (x + half, base)], bright),
        polygon([*ridge, (x + dark_side * half, base)], dull),
        polygon([(x, top), *left_hem, crease[0], *reversed(right_hem)], lit),
        polygon([(x, top), *dark_hem, *crease], shade),
    ]
    return "".join(parts)


def _on_line(line: list[Point], y: float) -> Point:
    """The point of a falling line at height `y`."""
    xs, ys = zip(*line, strict=True)
    return float(np.interp(y, ys, xs)), y


def _foothills(stage: Stage, distance: float, y: float) -> str:
    return _wood(stage, y - 10, 90, distance + 0.15) + _wood(stage, y + 55, 115, distance - 0.15)


def _wood(stage: Stage, y: float, height: float, distance: float, depth: float = 120) -> str:
    """A row of conifers whose feet stand at `y`, on ground of their own colour."""
    fill = stage.light.on(PINE, distance, 0.4)
    trees = [_conifer(x, y + 4, height * stage.between(0.7, 1.15), fill) for x in stage.spots(height * 0.34)]
    return "".join(trees) + _block(0, y, stage.width, y + depth, fill)


def _conifer(x: float, foot: float, height: float, fill: str) -> str:
    half = [(0.0, 1.0), (0.13, 0.68), (0.07, 0.68), (0.19, 0.36), (0.1, 0.36), (0.25, 0.0)]
    right = [(x + across * height, foot - up * height) for across, up in half]
    left = [(x - across * height, foot - up * height) for across, up in reversed(half)]
    return polygon(right + left, fill)


def _tree(stage: Stage, x: float, foot: float, height: float, distance: float) -> str:
    crown, lit = (stage.light.on(leaf, distance, 0.5) for leaf in (LEAF, mix(LEAF, MEADOW, 0.6)))
    side = -1 if stage.orb[0] < x else 1
    trunk = _block(
        x - 0.05 * height, foot - 0.45 * height, x + 0.05 * height, foot + 15, stage.light.on(TRUNK, distance, 0.1)
    )
    discs = [(-0.2, 0.55, 0.2), (0.2, 0.55, 0.2), (0.0, 0.75, 0.26), (0.0, 0.52, 0.22)]
    leaves = [_disc(x + dx * height, foot - dy * height, r * height, crown) for dx, dy, r in discs]
    return trunk + "".join(leaves) + _disc(x + side * 0.07 * height, foot - 0.78 * height, 0.17 * height, lit)


def _palm(stage: Stage, x: float, foot: float, height: float) -> str:
    lean = 0.16 * height * (1 if x < stage.width / 2 else -1)
    top = (x + lean, foot - height)
    trunk = [(x - 14, foot), (x + 14, foot), (x + 0.6 * lean + 9, foot - 0.6 * height), (top[0] + 7, top[1])]
    trunk += [(top[0] - 7, top[1]), (x + 0.6 * lean - 9, foot - 0.6 * height)]
    leaves = []
    for reach, drop in ((-190, 70), (-150, -10), (-60, -70), (60, -70), (150, -10), (190, 70)):
        tip = (top[0] + reach, top[1] + drop)
        middle = (top[0] + reach * 0.55, top[1] + drop * 0.25 - 45)
        below = (top[0] + reach * 0.5, top[1] + drop * 0.35 + 8)
        leaves.append(
            f'<path d="M{top[0]:.1f} {top[1]:.1f}Q{middle[0]:.1f} {middle[1]:.1f} {tip[0]:.1f} {tip[1]:.1f}'
            f'Q{below[0]:.1f} {below[1]:.1f} {top[0]:.1f} {top[1]:.1f}Z" fill="{stage.light.on(PINE, 0.0, 0.5)}"/>'
        )
    return polygon(trunk, stage.light.on(TRUNK)) + "".join(leaves)


def _cactus(stage: Stage, x: float, foot: float, height: float) -> str:
    path = f"M{x} {foot + 60}V{foot - height}M{x} {foot - 0.3 * height}h{-0.3 * height}v{-0.3 * height}"
    path += f"M{x} {foot - 0.18 * height}h{0.3 * height}v{-0.35 * height}"
    style = f'fill="none" stroke-width="{0.17 * height}" stroke-linecap="round" stroke-linejoin="round"'
    return f'<path d="{path}" stroke="{stage.light.on(CACTUS)}" {style}/>'


def _sail(stage: Stage, x: float, y: float, height: float) -> str:
    sail, hull = to_hex(mix(stage.light.snow_lit, stage.light.haze, 0.15)), stage.light.on(rgb("#b4553f"))
    parts = [
        polygon([(x, y - height), (x, y - 12), (x - 0.5 * height, y - 12)], sail),
        polygon([(x + 6, y - 0.8 * height), (x + 6, y - 12), (x + 0.4 * height, y - 12)], sail, 0.85),
        polygon(
            [
                (x - 0.55 * height, y - 6),
                (x + 0.5 * height, y - 6),
                (x + 0.3 * height, y + 16),
                (x - 0.4 * height, y + 16),
            ],
            hull,
        ),
    ]
    return "".join(parts)


def _water(stage: Stage, top: float) -> str:
    """Water from the horizon to the bottom, lighter far away, with the glitter of the sun or moon."""
    bands = ((top, 0.9, 0.45), (top + 45, 0.6, 0.62), (top + 115, 0.3, 0.78))
    parts = [_block(0, y, stage.width, 1000, _wet(stage, mix(WATER, DEEP_WATER, deep), own)) for y, deep, own in bands]
    return "".join(parts) + _glitter(stage, top)


def _wet(stage: Stage, local: Colour, own: float) -> str:
    """Water has its own colour only in part: the rest is the sky's."""
    light = replace(stage.light, cover=0.0)
    return to_hex(mix(mix(light.sky[1], light.sky[2], 0.2), rgb(light.on(local)), own))


def _glitter(stage: Stage, top: float) -> str:
    if not stage.shining:
        return ""
    steps = [(top + 8 + 26 * i, 26 + 13 * i + stage.between(-8, 18)) for i in range(7)]
    return "".join(
        _block(stage.orb[0] - half, y, stage.orb[0] + half, y + 7, to_hex(stage.light.glow), 0.75 - 0.07 * i)
        for i, (y, half) in enumerate(steps)
    )


def _dune(stage: Stage, x: float, base: float, height: float, distance: float) -> str:
    """A dune with a sharp crest: one curved side in the light, one in the shade."""
    top = base - height * stage.between(0.7, 1.0)
    light, shade = stage.light.on(DUNE, distance), stage.light.on(DUNE_SHADE, distance)
    left, right = (light, shade) if stage.orb[0] < x else (shade, light)
    start, end = x - 480, x + 480
    return (
        f'<path d="M{start:.0f} {base}Q{x - 170:.0f} {base - 20:.0f} {x:.0f} {top:.0f}Q{x + 20:.0f} {base - 60:.0f} '
        f'{x + 110:.0f} {base}Z" fill="{left}"/>'
        f'<path d="M{x:.0f} {top:.0f}Q{x + 200:.0f} {base - 20:.0f} {end:.0f} {base}H{x + 110:.0f}'
        f'Q{x + 20:.0f} {base - 60:.0f} {x:.0f} {top:.0f}Z" fill="{right}"/>'
    )


def _house(stage: Stage, x: float, pitch: float, height: float, local: Colour, distance: float) -> str:
    top, right = 850 - height, x + pitch * 0.92
    parts = [_block(x, top, right, 850, stage.light.on(local, distance, 0.15))]
    if distance > 0.4:
        return parts[0]
    lamp = (
        to_hex(mix(LAMP, stage.light.haze, distance))
        if stage.light.dark
        else stage.light.on(mix(local, rgb("#dfe9f7"), 0.55), distance)
    )
    step = pitch * 0.26
    for row in range(int((height - 40) / 44)):
        for column in range(3):
            if stage.rng.random() < (0.6 if stage.light.dark else 0.85):
                left, y = x + pitch * 0.13 + column * step, top + 22 + row * 44
                parts.append(_block(left, y, left + pitch * 0.15, y + 22, lamp))
    return "".join(parts)
