using RlHarness.Models.Decoders;
using static TorchSharp.torch;

// Symbols: S places, C capacity, g key/value heads, d head size.
namespace RlHarness.Models.Generation;

/// <summary>Keys and values of all layers, each [S, C, g·d]. A place holds one answer, whose token at position t is in column t.</summary>
internal sealed class KeyValueCache : IDisposable
{
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;

    internal KeyValueCache(DecoderConfig config, long places, long capacity, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        Capacity = capacity;
        // What was not written yet is masked; it only has to be finite.
        Tensor New() => zeros(places, capacity, config.KeyValueWidth, dtype: type, device: device).DetachFromDisposeScope();
        _keys = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => New())];
        _values = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => New())];
    }

    /// <summary>A cache over tensors that are there already, [S, C, g·d] for each layer; disposing of it disposes of them.</summary>
    internal KeyValueCache(Tensor[] keys, Tensor[] values) => (_keys, _values, Capacity) = (keys, values, keys[0].shape[1]);

    /// <summary>C.</summary>
    internal long Capacity { get; }

    internal Tensor Keys(int layer) => _keys[layer];

    internal Tensor Values(int layer) => _values[layer];

    /// <summary>Keeps some places in a new order, and adds empty ones behind them.</summary>
    internal void Rearrange(Tensor kept, long added)
    {
        foreach (var side in new[] { _keys, _values })
            for (var i = 0; i < side.Length; i++)
            {
                using var scope = NewDisposeScope();
                var selected = side[i].index_select(0, kept);
                if (added > 0)
                    selected = cat([selected, zeros(added, Capacity, side[i].shape[2], dtype: side[i].dtype, device: side[i].device)], 0);
                side[i].Dispose();
                side[i] = selected.DetachFromDisposeScope();
            }
    }

    public void Dispose()
    {
        foreach (var tensor in _keys)
            tensor.Dispose();
        foreach (var tensor in _values)
            tensor.Dispose();
    }
}
