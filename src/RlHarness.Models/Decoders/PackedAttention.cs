// Symbols: B sequences, P tokens that they share, T the longest rest, h query heads, g key/value heads, d head size.
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Causal attention of packed sequences: padded to [B, T] only here, with the padding behind, where causality hides it. Shared tokens attend among
/// themselves once; every rest attends to them and to itself.
/// </summary>
internal sealed class PackedAttention : IAttention
{
    private readonly DecoderConfig _config;
    private readonly TokenBatch _batch;
    private readonly Tensor? _restMask;
    private readonly Tensor? _restWindow;
    private readonly Tensor? _sharedWindow;

    internal PackedAttention(DecoderConfig config, TokenBatch batch)
    {
        (_config, _batch) = (config, batch);
        long p = batch.Shared, t = batch.Longest - p;
        var device = batch.Ids.device;
        // SDPA's own causal flag starts at key 0, so it fits only where queries and keys begin together.
        if (p > 0) _restMask = Mask(p, t, null, device);
        if (config.SlidingWindow is { } w && batch.Longest > w)
        {
            _restWindow = Mask(p, t, w, device);
            _sharedWindow = p > w ? Mask(0, p, w, device) : null;
        }
    }

    public Tensor Attend(int layer, Tensor q, Tensor k, Tensor v)
    {
        long b = _batch.Lengths.Count, p = _batch.Shared, t = _batch.Longest - p, rests = _batch.Count - p;
        long h = _config.NumAttentionHeads, g = _config.NumKeyValueHeads;
        var sliding = _config.IsSliding(layer);
        if (p == 0) return Rest(Attention(Heads(Pad(q), b, t, h), Repeat(Heads(Pad(k), b, t, g)), Repeat(Heads(Pad(v), b, t, g)), sliding ? _restWindow : null), b, t);
        var (sharedKeys, sharedValues) = (Heads(k.narrow(0, 0, p), 1, p, g), Heads(v.narrow(0, 0, p), 1, p, g)); // [1, g, P, d]
        var shared = Attention(Heads(q.narrow(0, 0, p), 1, p, h), Repeat(sharedKeys), Repeat(sharedValues), sliding ? _sharedWindow : null);
        Tensor All(Tensor head, Tensor rest) => Repeat(cat([head.expand(b, g, p, _config.HeadDim), Heads(Pad(rest.narrow(0, p, rests)), b, t, g)], 2)); // [B, h, P + T, d]
        var mixed = Attention(Heads(Pad(q.narrow(0, p, rests)), b, t, h), All(sharedKeys, k), All(sharedValues, v), sliding && _restWindow is not null ? _restWindow : _restMask);
        return cat([shared.transpose(1, 2).reshape(p, _config.QueryWidth), Rest(mixed, b, t)], 0);
    }

    /// <summary>[B, h, T, d] each; without a mask causal.</summary>
    private static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor? mask)
        => mask is null ? nn.functional.scaled_dot_product_attention(q, k, v, is_casual: true) : nn.functional.scaled_dot_product_attention(q, k, v, mask.to(q.dtype));

    /// <summary>[B, h, T, d] to packed rows [N − P, h·d].</summary>
    private Tensor Rest(Tensor mixed, long b, long t)
    {
        var rows = mixed.transpose(1, 2).reshape(b * t, _config.QueryWidth); // [B·T, h·d]
        return _batch.UnpadIndex is null ? rows : UnpadFunction.apply(rows, _batch.UnpadIndex);
    }

    private Tensor Pad(Tensor x) => _batch.PadIndex is null ? x : PadFunction.apply(x, _batch.PadIndex, _batch.UnpadIndex!);

    /// <summary>[B·T, heads, d] → [B, heads, T, d].</summary>
    private Tensor Heads(Tensor x, long b, long t, long heads) => x.reshape(b, t, heads, _config.HeadDim).transpose(1, 2);

    /// <summary>[B, g, T, d] → [B, h, T, d], each key/value head repeated for its group of queries.</summary>
    private Tensor Repeat(Tensor x)
    {
        long g = _config.NumKeyValueHeads, groups = _config.NumAttentionHeads / g, b = x.shape[0], t = x.shape[2], d = _config.HeadDim;
        return groups == 1 ? x : x.unsqueeze(2).expand(b, g, groups, t, d).reshape(b, g * groups, t, d);
    }

    /// <summary>Additive mask [rows, before + rows] of queries at positions before, before + 1, …: a token sees itself and what stands before it, within the window.</summary>
    private static Tensor Mask(long before, long rows, int? window, Device device)
    {
        using var scope = NewDisposeScope();
        var row = (arange(rows, device: device) + before).unsqueeze(1);
        var column = arange(before + rows, device: device).unsqueeze(0);
        var hidden = column > row;
        if (window is { } w) hidden = hidden.logical_or(column <= row - w);
        return zeros(rows, before + rows, dtype: ScalarType.Float32, device: device).masked_fill(hidden, double.NegativeInfinity).MoveToOuterDisposeScope();
    }
}
