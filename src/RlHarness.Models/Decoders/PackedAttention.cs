using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>Causal attention of packed sequences: padded to [B, T] only here, with the padding behind, where causality hides it.</summary>
internal sealed class PackedAttention(DecoderConfig config, TokenBatch batch) : IAttention
{
    private readonly Tensor? _window = config.SlidingWindow is { } w && batch.Longest > w ? Window(batch.Longest, w, batch.Ids.device) : null;

    public Tensor Attend(int layer, Tensor q, Tensor k, Tensor v)
    {
        long b = batch.Lengths.Count, t = batch.Longest;
        var groups = config.NumAttentionHeads / config.NumKeyValueHeads;
        var queries = Pad(q).view(b, t, config.NumAttentionHeads, config.HeadDim).transpose(1, 2); // [B, h, T, d]
        var keys = Heads(Pad(k), b, t, groups);
        var values = Heads(Pad(v), b, t, groups);
        var mixed = config.IsSliding(layer) && _window is not null
            ? nn.functional.scaled_dot_product_attention(queries, keys, values, _window.to(queries.dtype))
            : nn.functional.scaled_dot_product_attention(queries, keys, values, is_casual: true); // [B, h, T, d]
        var rows = mixed.transpose(1, 2).reshape(b * t, config.QueryWidth); // [B·T, h·d]
        return batch.UnpadIndex is null ? rows : UnpadFunction.apply(rows, batch.UnpadIndex);
    }

    private Tensor Pad(Tensor x) => batch.PadIndex is null ? x : PadFunction.apply(x, batch.PadIndex, batch.UnpadIndex!);

    /// <summary>[B·T, g, d] → [B, h, T, d], each key/value head repeated for its group of queries.</summary>
    private Tensor Heads(Tensor x, long b, long t, long groups)
    {
        long g = config.NumKeyValueHeads, d = config.HeadDim;
        var heads = x.view(b, t, g, d).transpose(1, 2); // [B, g, T, d]
        return groups == 1 ? heads : heads.unsqueeze(2).expand(b, g, groups, t, d).reshape(b, g * groups, t, d);
    }

    /// <summary>Additive mask [T, T]: a token sees itself and the window before it.</summary>
    private static Tensor Window(long t, int window, Device device)
    {
        using var scope = NewDisposeScope();
        var row = arange(t, device: device).unsqueeze(1);
        var column = arange(t, device: device).unsqueeze(0);
        var hidden = (column > row).logical_or(column <= row - window);
        return zeros(t, t, dtype: ScalarType.Float32, device: device).masked_fill(hidden, double.NegativeInfinity).MoveToOuterDisposeScope();
    }
}
