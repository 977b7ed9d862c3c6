"""Landscapes drawn from chance: a place at a time of day in some weather, as an SVG document of any shape.

Flat layers under a graded sky. Knows the sky and what falls from it; the ground is `scenery`, the colours are `light`.
"""

from dataclasses import dataclass, replace

import numpy as np

from alpenglow.training.light import LIGHTS, WEATHERS, Light, Weather, light_of, mix, rgb, to_hex
from alpenglow.training.scenery import PLACES, Point, Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """A landscape by name: keys of PLACES, LIGHTS and WEATHERS."""

    place: str
    time: str
    weather: str


def scene_svg(scene: Scene, width: int, height: int, rng: np.random.Generator) -> str:
    """An SVG document of `width` x `height` pixels. The same generator state draws the same picture."""
    light, weather = light_of(scene.time, scene.weather), WEATHERS[scene.weather]
    across = 1000 * width / height
    shining = scene.time != "dusk" and not weather.hides_orb
    ground_rng, sky_rng = rng.spawn(2)
    stage = Stage(across, 600.0, light, _orb_position(scene, across, rng), shining, sky_rng)
    ground = replace(stage, rng=ground_rng)  # so that a place keeps its shape at any time, in any weather
    parts = [
        _sky(stage),
        _stars(stage, STARS[scene.time]) if scene.weather in CLEAR_ENOUGH else "",
        _orb(stage, scene) if shining else "",
        _clouds(stage, weather),
        PLACES[scene.place](ground),
        _in_the_air(stage, weather),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {across:.2f} 1000">'
    return head + "".join(parts) + "</svg>"


GROUND = 0.93
"""Where something that stands in a scene has its feet, as a share of the height."""

CLEAR_ENOUGH = frozenset({"clear", "cloudy"})
STARS = {"sunrise": 0, "day": 0, "sunset": 0, "dusk": 14, "night": 70}

SCENES: tuple[Scene, ...] = tuple(
    Scene(place, time, weather)
    for place in PLACES
    for time in LIGHTS
    for weather in WEATHERS
    if (place, weather) not in {("desert", "snow"), ("desert", "rain"), ("beach", "snow"), ("sea", "snow")}
)
"""Every scene there is: each place at each time in each weather that it knows."""

_ORB_HEIGHT = {
    "sunrise": (0.48, 0.55),
    "day": (0.13, 0.2),
    "sunset": (0.49, 0.57),
    "dusk": (0.5, 0.55),
    "night": (0.13, 0.2),
}
_HIDDEN_HORIZON = frozenset({"city", "forest", "lake", "mountains"})


def _orb_position(scene: Scene, width: float, rng: np.random.Generator) -> Point:
    low, high = _ORB_HEIGHT[scene.time]
    lift = 0.11 if scene.place in _HIDDEN_HORIZON and low > 0.4 else 0.0
    return float(rng.uniform(0.28, 0.72)) * width, 1000 * (float(rng.uniform(low, high)) - lift)


def _sky(stage: Stage) -> str:
    stops = "".join(
        f'<stop offset="{offset}" stop-color="{to_hex(colour)}"/>'
        for offset, colour in zip((0, 0.55, 1), stage.light.sky, strict=True)
    )
    return (
        f'<linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">{stops}</linearGradient>'
        f'<rect width="{stage.width:.1f}" height="{stage.horizon + 80}" fill="url(#sky)"/>'
        f'<rect y="{stage.horizon + 79}" width="{stage.width:.1f}" height="400" fill="{to_hex(stage.light.sky[2])}"/>'
    )


def _stars(stage: Stage, count: int) -> str:
    dots = []
    for _ in range(int(count * stage.width / 1000)):
        x, y, size = stage.between(0, stage.width), stage.between(0, 500), stage.between(1.6, 4.2)
        dots.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{size:.1f}" fill="#fff" fill-opacity="{0.95 - y / 800:.2f}"/>'
        )
    return "".join(dots)


def _orb(stage: Stage, scene: Scene) -> str:
    (x, y), light = stage.orb, stage.light
    radius = 62 if scene.time in {"sunrise", "sunset"} else 52
    glow, disc = to_hex(light.glow), to_hex(mix(light.orb, light.overcast, 0.35 if scene.weather == "fog" else 0.0))
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}"'
    parts = [
        f'<radialGradient id="glow"><stop offset="0" stop-color="{glow}" stop-opacity="0.85"/>',
        f'<stop offset="1" stop-color="{glow}" stop-opacity="0"/></radialGradient>',
        f'{circle} r="{radius * 4.2}" fill="url(#glow)"/>{circle} r="{radius}" fill="{disc}"/>',
    ]
    if scene.time == "night":
        spots = ((-16, -12, 12), (18, 8, 9), (-6, 20, 7))
        crater = to_hex(mix(light.orb, light.sky[1], 0.2))
        parts += [f'<circle cx="{x + dx:.1f}" cy="{y + dy:.1f}" r="{r}" fill="{crater}"/>' for dx, dy, r in spots]
    return "".join(parts)


def _clouds(stage: Stage, weather: Weather) -> str:
    count = round(weather.clouds * stage.width / 1000 + stage.between(-0.3, 0.3))
    dull = weather.streaks or weather.flakes
    bright = mix(stage.light.snow_lit, stage.light.sky[1], 0.25)
    fill = to_hex(mix(bright, stage.light.overcast, 0.75) if dull else bright)
    pitch = stage.width / max(count, 1)
    return "".join(
        _cloud((i + stage.between(0.25, 0.75)) * pitch, stage.between(90, 330), stage.between(0.75, 1.15), fill)
        for i in range(count)
    )


def _cloud(x: float, y: float, scale: float, fill: str) -> str:
    """A flat-bottomed cloud: three domes on a rounded bar."""
    domes = ((-62, -18, 40), (-2, -40, 58), (64, -14, 38))
    parts = [
        f'<circle cx="{x + dx * scale:.1f}" cy="{y + dy * scale:.1f}" r="{r * scale:.1f}"/>' for dx, dy, r in domes
    ]
    bar = _box(x - 125 * scale, y - 24 * scale, 250 * scale, 48 * scale, 24 * scale)
    return f'<g fill="{fill}" opacity="0.9">{bar}{"".join(parts)}</g>'


def _box(left: float, top: float, width: float, height: float, radius: float) -> str:
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.1f}"/>'


def _in_the_air(stage: Stage, weather: Weather) -> str:
    """Rain, snow or banks of fog, in front of everything."""
    share = stage.width / 1000
    drops = [(stage.between(0, stage.width), stage.between(-20, 1000)) for _ in range(int(weather.streaks * share))]
    streaks = "".join(f"M{x:.0f} {y:.0f}l-14 48" for x, y in drops)
    rain = to_hex(mix(stage.light.overcast, rgb("#ffffff"), 0.45))
    parts = [f'<path d="{streaks}" stroke="{rain}" stroke-width="4" stroke-opacity="0.7"/>'] if streaks else []
    for _ in range(int(weather.flakes * share)):
        x, y, r = stage.between(0, stage.width), stage.between(0, 1000), stage.between(4, 9)
        parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.1f}" fill="{_flake(stage.light)}" fill-opacity="0.9"/>')
    if weather.banks:
        parts.append(_fog(stage, weather.banks))
    return "".join(parts)


def _flake(light: Light) -> str:
    return to_hex(mix(light.snow_lit, rgb("#ffffff"), 0.5))


def _fog(stage: Stage, banks: int) -> str:
    """Soft banks of fog over the ground."""
    colour = to_hex(mix(stage.light.haze, rgb("#ffffff"), 0.25))
    stops = ((0, 0), (0.5, 0.85), (1, 0))
    steps = "".join(f'<stop offset="{at}" stop-color="{colour}" stop-opacity="{share}"/>' for at, share in stops)
    parts = [f'<linearGradient id="fog" x1="0" y1="0" x2="0" y2="1">{steps}</linearGradient>']
    for i in range(banks):
        y, deep = 440 + 125 * i + stage.between(-20, 20), stage.between(130, 210)
        parts.append(f'<rect y="{y:.0f}" width="{stage.width:.0f}" height="{deep:.0f}" fill="url(#fog)"/>')
    return "".join(parts)
