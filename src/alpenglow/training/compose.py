"""Puts pictures together by the batch, on the device that trains, and encodes them.

Does for numbered drawings and grounds what `render_picture` does for named ones, from pixels that `pixels` rendered.
The encoder is linear and takes each token by itself, so things on a colour need no pixels: with alpha a, drawing d and
colour g, all in [-1, 1] but for a, E(a d + (1 - a) g) = E(a d) + sum over channels of g_c E_c(1 - a), whose terms are
encoded once. Only what stands in a scene is put together pixel by pixel.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from alpenglow.training.captions import COLOURS
from alpenglow.training.linear_start import LinearEncoder
from alpenglow.training.pictures import PLACES, TOKEN, cell
from alpenglow.training.pixels import Rendered
from alpenglow.training.scenes import GROUND

NOTHING = -1
"""Where there is no drawing."""


@dataclass(frozen=True)
class Pictures:
    """A batch by numbers: drawings as the library counts them, or NOTHING; grounds count COLOURS, then SCENES.

    Numbers stay on the CPU, so that a GPU is never waited for to look at them.
    """

    drawings: NDArray[np.int16]  # (B, most); what there is comes first
    grounds: NDArray[np.int16]  # (B,)
    layouts: NDArray[np.int8]  # (B,): as `pictures.cell` wants them, 0 of a scene alone


class Composer:
    """Holds all pixels and layers that there are: in memory of the device, or pixels on disk where that is the CPU."""

    def __init__(self, rendered: Rendered, encoder: LinearEncoder, device: str) -> None:
        self.device = torch.device(device)
        self.dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        self.encoder = encoder.to(device, self.dtype)
        self.cutouts = {size: torch.from_numpy(stack).to(device) for size, stack in rendered.cutouts.items()}
        self.scenes = {frame: torch.from_numpy(stack).to(device) for frame, stack in rendered.scenes.items()}
        self.feet = {size: lowest_rows(stack).cpu().numpy() for size, stack in self.cutouts.items()}
        colours = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS.values()]
        self.colours = torch.tensor(colours, dtype=self.dtype, device=device)
        self.layers = {size: self._layers(stack) for size, stack in self.cutouts.items()}
        flat = self.encoder.weight.float().sum((2, 3)).t()  # (3, C): a token of one channel alone
        self.grounds = (self.colours.float() / 127.5 - 1) @ flat + self.encoder.bias.float()  # (colours, C)

    def fits(self, width: int, height: int, layout: int) -> bool:
        """Whether the cells of a layout, in such a frame, have a size that was rendered."""
        return cell(width, height, 0, max(layout, 1))[2] in self.cutouts

    @torch.no_grad()
    def latents(self, pictures: Pictures, width: int, height: int) -> Tensor:
        """Of pictures of one size, (B, C, height / TOKEN, width / TOKEN), fp32."""
        plain = pictures.grounds < len(self.colours)
        found = self.grounds[self._sent(np.where(plain, pictures.grounds, 0))][:, :, None, None]
        found = found.repeat(1, 1, height // TOKEN, width // TOKEN)
        for layout, places in PLACES.items():
            rows = (plain & (pictures.layouts == layout)).nonzero()[0]
            for place in range(places if len(rows) else 0):
                left, top, box = (length // TOKEN for length in cell(width, height, place, layout))
                down, shown_down = covered(top, box, height // TOKEN)
                across, shown_across = covered(left, box, width // TOKEN)
                layers = self.layers[box * TOKEN][self._sent(pictures.drawings[rows, place])].float()
                ground = self.colours[self._sent(pictures.grounds[rows])].float() / 127.5 - 1
                thing = layers[:, 0] + torch.einsum("bi,bichw->bchw", ground, layers[:, 1:])
                found[self._sent(rows), :, down, across] = thing[:, :, shown_down, shown_across]
        scenic = (~plain).nonzero()[0]
        if len(scenic):
            some = Pictures(pictures.drawings[scenic], pictures.grounds[scenic], pictures.layouts[scenic])
            found[self._sent(scenic)] = self.encoder(self.pixels(some, width, height) / 127.5 - 1).float()
        return found

    def _layers(self, cutouts: Tensor) -> Tensor:
        """(N, 4, C, h, w) fp16: of each drawing by itself, with the encoder's bias, then of what each channel of a
        ground adds to it.
        """
        encoded = []
        for part in track(cutouts.split(64), f"layers at {cutouts.shape[-1]} px"):
            drawing, alpha = part[:, :3].to(self.dtype) / 127.5 - 1, part[:, 3:].to(self.dtype) / 255
            channels = torch.eye(3, dtype=self.dtype, device=part.device)[:, None, :, None, None] * (1 - alpha)
            clear = [self.encoder(channel) - self.encoder.bias[:, None, None] for channel in channels]
            encoded.append(torch.stack([self.encoder(drawing * alpha), *clear], 1).half())
        return torch.cat(encoded)

    @torch.no_grad()
    def pixels(self, pictures: Pictures, width: int, height: int) -> Tensor:
        """(B, 3, height, width) in [0, 255]. Scenes only at sizes that were rendered: KeyError at others."""
        outside = pictures.grounds >= len(self.colours)
        colours = self.colours[self._sent(np.where(outside, 0, pictures.grounds))]
        canvas = colours[:, :, None, None].repeat(1, 1, height, width)
        if outside.any():
            scenes = self._sent(pictures.grounds[outside] - len(self.colours))
            canvas[self._sent(outside.nonzero()[0])] = self.scenes[width, height][scenes].to(self.dtype)
        for layout, places in PLACES.items():
            rows = (pictures.layouts == layout).nonzero()[0]
            for place in range(places if len(rows) else 0):
                where = cell(width, height, place, layout)
                self._put(canvas, rows, pictures.drawings[rows, place], outside[rows], where)
        return canvas

    def _put(
        self,
        canvas: Tensor,
        rows: NDArray[np.int64],
        drawings: NDArray[np.int16],
        outside: NDArray[np.bool_],
        where: tuple[int, int, int],
    ) -> None:
        """Draw onto some rows of the canvas, each its drawing: in the cell, and in a scene on the scene's ground."""
        (height, width), (left, top, box) = canvas.shape[2:], where
        across, shown_across = covered(left, box, width)
        moves = np.round((GROUND * height - top - self.feet[box][drawings]) / TOKEN).astype(int) * outside
        for move in np.unique(moves):
            some = moves == move
            down, shown_down = covered(top + TOKEN * int(move), box, height)
            sprites = self.cutouts[box][self._sent(drawings[some]), :, shown_down, shown_across].to(self.dtype)
            part = canvas[:, :, down, across]
            these = self._sent(rows[some])
            part[these] = torch.lerp(part[these], sprites[:, :3], sprites[:, 3:] / 255)

    def _sent(self, numbers: NDArray[np.integer]) -> Tensor:
        return sent(torch.from_numpy(numbers.astype(np.int64)), self.device)


def sent(x: Tensor, device: torch.device) -> Tensor:
    """On the device, without waiting for it."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x


def covered(start: int, length: int, frame: int) -> tuple[slice, slice]:
    """What something of a length covers of a frame, and what of it is seen there: the rest hangs out."""
    first, last = max(start, 0), min(start + length, frame)
    return slice(first, last), slice(first - start, last - start)


def lowest_rows(cutouts: Tensor) -> Tensor:
    """(N, 4, H, W) uint8 -> (N,): how far down each drawing reaches, in pixels."""
    reach = torch.arange(1, cutouts.shape[2] + 1, device=cutouts.device)
    return torch.cat([((part[:, 3].amax(-1) > 0) * reach).amax(-1) for part in cutouts.split(64)])
