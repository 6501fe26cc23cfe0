"""The built-in components: slot, class, and what each is. Written by `python -m archdsl.schema.registry --write`."""

from __future__ import annotations

from typing import Literal

MANIFEST: dict[str, tuple[Literal["token", "channel", "map"], str, str]] = {
    "affine": (
        "map",
        "archdsl.components.map.affine.spec:Affine",
        "Each channel times a learned factor plus a learned shift: a depthwise 1x1 convolution, and counted as one.",
    ),
    "aggregated": (
        "token",
        "archdsl.components.token.aggregated.spec:Aggregated",
        "Pixel-focused attention: each position attends to its neighbours and to the pooled map, in one softmax.",
    ),
    "attention": (
        "token",
        "archdsl.components.token.attention.spec:Attention",
        "Attention of each position to all positions of the map, or of its window.",
    ),
    "avgpool": (
        "map",
        "archdsl.components.map.avgpool.spec:AvgPool",
        "Average pooling, of the whole map unless a kernel is given; padding is not averaged.",
    ),
    "batchnorm": (
        "map",
        "archdsl.components.map.batchnorm.spec:BatchNorm",
        "Batch norm of each channel.",
    ),
    "bottleneck_attention": (
        "token",
        "archdsl.components.token.bottleneck_attention.spec:BottleneckAttention",
        "Attention of each position to all, by content and relative position, with no map of its own after it.",
    ),
    "channel_attention": (
        "token",
        "archdsl.components.token.channel_attention.spec:ChannelAttention",
        "Attention among the channels of a group, over all positions: linear in their number.",
    ),
    "class_attention": (
        "token",
        "archdsl.components.token.class_attention.spec:ClassAttention",
        "Class attention: the class token attends to all tokens, itself among them, and alone comes out.",
    ),
    "class_token": (
        "map",
        "archdsl.components.map.class_token.spec:ClassToken",
        "A learned token beside the grid, from which the classes are read.",
    ),
    "context_mix": (
        "token",
        "archdsl.components.token.context_mix.spec:ContextMix",
        "Context mixing: depthwise convolutions whose kernels, one at each position, are made from a context.",
    ),
    "conv": (
        "map",
        "archdsl.components.map.conv.spec:Conv",
        "Convolution.",
    ),
    "conv_glu": (
        "channel",
        "archdsl.components.channel.conv_glu.spec:ConvGlu",
        "Convolutional gated linear unit: half of the hidden channels, convolved, times the other half.",
    ),
    "cosine_attention": (
        "token",
        "archdsl.components.token.cosine_attention.spec:CosineAttention",
        "Length-scaled cosine attention of each position to all positions, with a bias by their distance.",
    ),
    "dilated_reparam": (
        "map",
        "archdsl.components.map.dilated_reparam.spec:DilatedReparam",
        "Depthwise convolution with a large kernel and, beside it, small dilated ones that fuse into it.",
    ),
    "dropout": (
        "map",
        "archdsl.components.map.dropout.spec:Dropout",
        "Dropout: in training, sets single elements to zero and scales the others up.",
    ),
    "dwconv": (
        "map",
        "archdsl.components.map.dwconv.spec:DwConv",
        "Depthwise convolution: each channel by itself.",
    ),
    "gelu": (
        "map",
        "archdsl.components.map.gelu.spec:Gelu",
        "Gaussian error linear unit, by the exact error function.",
    ),
    "gpsa": (
        "token",
        "archdsl.components.token.gpsa.spec:Gpsa",
        "Gated positional self-attention: each head blends attention by content and by relative position.",
    ),
    "grn": (
        "map",
        "archdsl.components.map.grn.spec:Grn",
        "Global response norm: each channel scaled by its strength over the map, relative to that of all channels.",
    ),
    "groupnorm": (
        "map",
        "archdsl.components.map.groupnorm.spec:GroupNorm",
        "Group norm: each group of channels over all positions of an image.",
    ),
    "halo": (
        "token",
        "archdsl.components.token.halo.spec:Halo",
        "Blocked local attention: the positions of a block attend to the block and a halo around it.",
    ),
    "layer_scale": (
        "map",
        "archdsl.components.map.layer_scale.spec:LayerScale",
        "Layer scale: each channel times a learned factor.",
    ),
    "layernorm": (
        "map",
        "archdsl.components.map.layernorm.spec:LayerNorm",
        "Layer norm over the channels of each position.",
    ),
    "linear": (
        "map",
        "archdsl.components.map.linear.spec:Linear",
        "Linear map of the channels, at each position of a map.",
    ),
    "linear_attention": (
        "token",
        "archdsl.components.token.linear_attention.spec:LinearAttention",
        "Linear attention: queries and keys are projected and made positive, the values are the map itself.",
    ),
    "maxpool": (
        "map",
        "archdsl.components.map.maxpool.spec:MaxPool",
        "Maximum pooling, of the whole map unless a kernel is given.",
    ),
    "mean": (
        "map",
        "archdsl.components.map.mean.spec:Mean",
        "Mean over all positions, or over all of a list of tokens; unlike `avgpool` it costs nothing by fvcore's rules.",
    ),
    "mlp": (
        "channel",
        "archdsl.components.channel.mlp.spec:Mlp",
        "Two linear maps of the channels with an activation between them.",
    ),
    "multi_order": (
        "token",
        "archdsl.components.token.multi_order.spec:MultiOrder",
        "Multi-order mixing: half of the channels through a near and a far path of convolutions, each gated.",
    ),
    "outlook": (
        "token",
        "archdsl.components.token.outlook.spec:Outlook",
        "Outlook attention: the middle of a window says how its places are mixed; windows that overlap add up.",
    ),
    "patch_embed": (
        "map",
        "archdsl.components.map.patch_embed.spec:PatchEmbed",
        "Patch embedding: a strided convolution that first pads right and bottom to whole strides.",
    ),
    "position_table": (
        "map",
        "archdsl.components.map.position_table.spec:PositionTable",
        "A learned vector added to each position, and to each token that is there already.",
    ),
    "registers": (
        "map",
        "archdsl.components.map.registers.spec:Registers",
        "Learned tokens beside the grid, room for what concerns the image as a whole.",
    ),
    "relu": (
        "map",
        "archdsl.components.map.relu.spec:Relu",
        "Rectified linear unit.",
    ),
    "routing": (
        "token",
        "archdsl.components.token.routing.spec:Routing",
        "Bi-level routing attention: each region attends to its `topk` most similar regions.",
    ),
    "select": (
        "map",
        "archdsl.components.map.select.spec:Select",
        "Some of the tokens: the class token, the registers, or the grid of patches.",
    ),
    "silu": (
        "map",
        "archdsl.components.map.silu.spec:Silu",
        "Sigmoid linear unit: the input times its sigmoid.",
    ),
    "squeeze_excite": (
        "map",
        "archdsl.components.map.squeeze_excite.spec:SqueezeExcite",
        "Squeeze and excitation: each channel times a gate that two linear maps make of the pooled map.",
    ),
    "strip": (
        "token",
        "archdsl.components.token.strip.spec:Strip",
        "Strip self-attention: queries and keys have few channels, keys and values few positions.",
    ),
    "wave": (
        "channel",
        "archdsl.components.channel.wave.spec:Wave",
        "Wave-based aggregation: amplitudes times phases, that of the strongest channel added, turned in pairs.",
    ),
    "window_attention": (
        "token",
        "archdsl.components.token.window_attention.spec:WindowAttention",
        "Attention inside windows: each position attends to the positions of its own window.",
    ),
}
