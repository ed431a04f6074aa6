"""Polynomial coefficients of the vector math, lowest power first, in hexadecimal.

Written by tools/coefficients.py: change it there.
"""

from __future__ import annotations

# (lgamma(2 + e) - (1 - gamma) e) / e^2 with Euler's gamma, for -3/5 <= e <= 1/2
LGAMMA_NEAR = {
    "f64": (
        "0x1.4a34cc4a60fa6p-2",
        "-0x1.13e001a557603p-4",
        "0x1.51322ac7d86ccp-6",
        "-0x1.e404fc21913e0p-8",
        "0x1.7add6ead81e71p-9",
        "-0x1.38ac5c2a94701p-10",
        "0x1.0b36af993b7acp-11",
        "-0x1.d3fd4d7e29f12p-13",
        "0x1.a127a901f8e87p-14",
        "-0x1.78de2408a994bp-15",
        "0x1.580edab3f68cfp-16",
        "-0x1.3cc3d9dd78e03p-17",
        "0x1.25804376787c2p-18",
        "-0x1.111aa586975f5p-19",
        "0x1.01c49166aecf9p-20",
        "-0x1.f1d7a14d2a8e0p-22",
        "0x1.ac452969d7541p-23",
        "-0x1.3a9cf5ee4f8ddp-24",
        "0x1.1bdcfdbb37338p-24",
        "-0x1.984d1b03ba67cp-25",
    ),
    "f32": (
        "0x1.4a34cc0000000p-2",
        "-0x1.13dffa0000000p-4",
        "0x1.5132160000000p-6",
        "-0x1.e413320000000p-8",
        "0x1.7b1c8c0000000p-9",
        "-0x1.3682560000000p-10",
        "0x1.03135a0000000p-11",
        "-0x1.0c9f040000000p-12",
        "0x1.23ccec0000000p-13",
    ),
}

# x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi)/2) in z = 1 / x^2, for x >= 5/2
LGAMMA_FAR = {
    "f64": (
        "0x1.55555555552ecp-4",
        "-0x1.6c16c165a68e4p-9",
        "0x1.a019f4abf80a8p-11",
        "-0x1.38100cc666967p-11",
        "0x1.b8c09dd1e6515p-11",
        "-0x1.eea8119e45311p-10",
        "0x1.7bbe2690a8dcep-8",
        "-0x1.4afdfd7a6be49p-6",
        "0x1.0cbde77cc344fp-4",
        "-0x1.5513f896fae40p-3",
        "0x1.1a96b268ffccep-2",
        "-0x1.bc92989b684b4p-3",
    ),
    "f32": (
        "0x1.55554c0000000p-4",
        "-0x1.6bdd040000000p-9",
        "0x1.909f660000000p-11",
        "-0x1.81e9120000000p-12",
    ),
}

# (R(v) - R(0)) / v, where R is y digamma(y) / (y - r) in v = y - 7/4, and digamma(r) = 0, for 1 <= y <= 5/2
DIGAMMA_NEAR = {
    "f64": (
        "0x1.26219e4419547p-2",
        "-0x1.a4343725b3d57p-5",
        "0x1.aded5da80d1d5p-7",
        "-0x1.fd5eef0bf1120p-9",
        "0x1.4599e13218cc4p-10",
        "-0x1.b313f48c4a6e7p-12",
        "0x1.2ac5c0ff40386p-13",
        "-0x1.a1b58bad3c75ap-15",
        "0x1.277d1919b0056p-16",
        "-0x1.a57726acc04e5p-18",
        "0x1.2e46e6f7ee69fp-19",
        "-0x1.b34cd1f5d835cp-21",
        "0x1.3a2590d1fe95ap-22",
        "-0x1.c681240ba5ecep-24",
        "0x1.4c49db01391fdp-25",
        "-0x1.e2bce256781d3p-27",
        "0x1.3c6b3b9b6d0a4p-28",
        "-0x1.c69e04ffe9c0dp-30",
        "0x1.110cc0bcf0117p-30",
        "-0x1.93f3188320510p-32",
    ),
    "f32": (
        "0x1.26219e0000000p-2",
        "-0x1.a4341a0000000p-5",
        "0x1.adedac0000000p-7",
        "-0x1.fd7dc40000000p-9",
        "0x1.459ef40000000p-10",
        "-0x1.ae07de0000000p-12",
        "0x1.2820500000000p-13",
        "-0x1.f3908a0000000p-15",
        "0x1.5d376e0000000p-16",
    ),
}

# x^2 (log(x) - 1 / (2 x) - digamma(x)) in z = 1 / x^2, for x >= 5/2
DIGAMMA_FAR = {
    "f64": (
        "0x1.5555555554fa0p-4",
        "-0x1.1111110c23b86p-7",
        "0x1.04103abc74d84p-8",
        "-0x1.110ef7d823cd1p-8",
        "0x1.f00e2898e2699p-8",
        "-0x1.55cfc813a9bfep-6",
        "0x1.3dac9a250c93ap-4",
        "-0x1.56221d92895e6p-2",
        "0x1.68115d4ec188ap+0",
        "-0x1.3e9b11751a38fp+2",
        "0x1.a04732b92b231p+3",
        "-0x1.590c609151fe8p+4",
        "0x1.0bdc1dfea3f77p+4",
    ),
    "f32": (
        "0x1.55551c0000000p-4",
        "-0x1.10aed20000000p-7",
        "0x1.eb79960000000p-9",
        "-0x1.32ad060000000p-9",
    ),
}
