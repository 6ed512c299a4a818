using RlHarness.Models.Decoders;
using static TorchSharp.torch;

// Symbols: B rows, C capacity, g key/value heads, d head size.
namespace RlHarness.Models.Generation;

/// <summary>
/// Keys and values of all layers, each [B, C, g·d]. Prompts end at the same column (they are padded in front), so that each step writes one column.
/// </summary>
internal sealed class KeyValueCache : IDisposable
{
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;

    internal KeyValueCache(DecoderConfig config, long rows, long capacity, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        // What lies before a prompt's first token is masked; it only has to be finite.
        Tensor New() => zeros(rows, capacity, config.KeyValueWidth, dtype: type, device: device).DetachFromDisposeScope();
        _keys = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => New())];
        _values = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => New())];
    }

    /// <summary>A cache over tensors that are there already, [B, C, g·d] for each layer; disposing of it disposes of them.</summary>
    internal KeyValueCache(Tensor[] keys, Tensor[] values) => (_keys, _values) = (keys, values);

    internal Tensor Keys(int layer) => _keys[layer];

    internal Tensor Values(int layer) => _values[layer];

    /// <summary>Keeps or repeats rows.</summary>
    internal void Select(Tensor rows)
    {
        foreach (var side in new[] { _keys, _values })
            for (var i = 0; i < side.Length; i++)
            {
                var selected = side[i].index_select(0, rows).DetachFromDisposeScope();
                side[i].Dispose();
                side[i] = selected;
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
