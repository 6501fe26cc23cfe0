"""Words that people bring from other tools, with those of this language."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# as they are compared: in small letters and without `_`
NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("numclasses", "nbclasses", "nclasses", "nclass", "classnum"), ("classes",)),
    **dict.fromkeys(("globalavgpool", "globalaveragepool", "globalaveragepooling2d", "globalpool", "gap"), ("mean", "avgpool")),
    **dict.fromkeys(("adaptiveavgpool", "adaptiveavgpool2d", "averagepool", "pool"), ("avgpool", "mean")),
    **dict.fromkeys(("dense", "fc", "fullyconnected", "projection"), ("linear",)),
    **dict.fromkeys(("ffn", "feedforward"), ("mlp",)),
    **dict.fromkeys(("mhsa", "msa", "mha", "selfattention", "multiheadattention", "attn"), ("attention",)),
    **dict.fromkeys(("ln", "layernorm2d"), ("layernorm",)),
    **dict.fromkeys(("bn", "batchnorm2d"), ("batchnorm",)),
    **dict.fromkeys(("gn",), ("groupnorm",)),
    **dict.fromkeys(("swish",), ("silu",)),
    **dict.fromkeys(("depthwiseconv", "depthwiseconv2d", "depthwise"), ("dwconv",)),
    **dict.fromkeys(("clstoken",), ("class_token",)),
    **dict.fromkeys(("posembed", "positionembedding", "positionalembedding", "positionalencoding"), ("position_table",)),
    **dict.fromkeys(("patchembedding",), ("patch_embed",)),
    **dict.fromkeys(("se", "selayer", "seblock"), ("squeeze_excite",)),
    **dict.fromkeys(("cat", "concatenate"), ("concat",)),
    **dict.fromkeys(("upsample", "interpolate"), ("resize",)),
    **dict.fromkeys(("skipconnection", "shortcut"), ("identity",)),
    **dict.fromkeys(("embeddim", "channels", "inchannels", "width"), ("dim",)),
}
FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("hidden", "hiddendim", "hiddenfeatures", "hiddensize", "expansion", "expand", "mlpratio"), "ratio"),
    **dict.fromkeys(("numheads", "nheads", "nhead"), "heads"),
    **dict.fromkeys(("kernelsize", "ksize", "size", "patchsize"), "kernel"),
    **dict.fromkeys(("outchannels", "outfeatures", "channels", "filters", "units", "dim", "features"), "out"),
    **dict.fromkeys(("windowsize",), "window"),
    **dict.fromkeys(("padding",), "pad"),
    **dict.fromkeys(("strides",), "stride"),
    **dict.fromkeys(("numgroups",), "groups"),
    **dict.fromkeys(("p", "prob", "drop"), "rate"),
    **dict.fromkeys(("epsilon",), "eps"),
    **dict.fromkeys(("activation", "actlayer", "nonlinearity"), "act"),
    **dict.fromkeys(("usebias",), "bias"),
}
ATTRIBUTES: Mapping[str, str] = {
    **dict.fromkeys(("numclasses", "nbclasses", "nclasses"), "classes"),
    **dict.fromkeys(("imgsize", "imagesize", "image", "inputsize", "inputshape", "resolution"), "input"),
    **dict.fromkeys(("embeddim", "channels", "width", "outchannels"), "dim"),
    **dict.fromkeys(("depths", "blocks", "numblocks", "numlayers", "layers", "repeat", "repeats"), "depth"),
    **dict.fromkeys(("droppathrate", "stochasticdepth"), "drop_path"),
    **dict.fromkeys(("attention", "attn", "mixer", "tokenmixer"), "token"),
    **dict.fromkeys(("mlp", "ffn", "channelmixer"), "channel"),
    **dict.fromkeys(("downsample", "downsampling", "patchmerging"), "down"),
}


def habit_name(word: str) -> str:
    """The help for an unknown name that other tools use; empty where the table does not have it."""
    names = NAMES.get(_key(word), ())
    return f"write {' or '.join(f'`{name}`' for name in names)}" if names else ""


def habit_field(word: str, names: Collection[str]) -> str:
    """The field of a component, one of `names`, that other tools call `word`; empty where there is none."""
    found = FIELDS.get(_key(word), "")
    return found if found in names else ""


def habit_attribute(word: str, names: Collection[str]) -> str:
    """The attribute of a place, one of `names`, that other tools call `word`; empty where there is none."""
    found = ATTRIBUTES.get(_key(word), "")
    return found if found in names else ""


def _key(word: str) -> str:
    return word.casefold().replace("_", "")
