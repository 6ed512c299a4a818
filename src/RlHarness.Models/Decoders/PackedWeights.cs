using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Copies of a decoder's matrices in the layout that tiles of products want, for generation: its few rows a step would else spend a third of their time on
/// bringing the same matrices into it. They take as much memory as the weights in the compute type, as long as a lease lives.
/// </summary>
internal sealed class PackedWeights(Decoder decoder)
{
    private readonly Lock _gate = new();
    private Dictionary<string, PackedMatrix>? _packed;
    private int _leases;

    /// <summary>Packs, unless others have. Nobody may change the weights until the lease is disposed of.</summary>
    internal IDisposable Lease()
    {
        lock (_gate)
        {
            if (_leases++ == 0)
                _packed = Pack();
        }

        return new Return(this);
    }

    /// <summary>The packed matrix; null where there is none.</summary>
    internal PackedMatrix? Find(string name) => _packed?.GetValueOrDefault(name);

    private Dictionary<string, PackedMatrix> Pack()
    {
        using var guard = no_grad();
        var packed = new Dictionary<string, PackedMatrix>(StringComparer.Ordinal);
        foreach (var name in decoder.Layout.Parameters.Where(Multiplies).Select(p => p.Name))
        {
            var weight = decoder.Weight(name);
            if (!TiledProducts.CanPack(weight))
                continue;
            var matrix = TiledProducts.Pack(weight);
            matrix.Panels.DetachFromDisposeScope();
            packed.Add(name, matrix);
        }

        return packed;
    }

    /// <summary>Whether it is a matrix of a product: embeddings are only where they are the head, and a head is not where an adapter's stands for it.</summary>
    private bool Multiplies(ParameterSpec parameter) =>
        parameter.Shape.Length == 2
        && (parameter.Name == decoder.HeadName ? decoder.Adapters?.SavedHead is null : parameter.Name != ParameterLayout.Embeddings);

    private void GiveBack()
    {
        lock (_gate)
        {
            if (--_leases > 0)
                return;
            foreach (var matrix in _packed!.Values)
                matrix.Dispose();
            _packed = null;
        }
    }

    private sealed class Return(PackedWeights weights) : IDisposable
    {
        private bool _done;

        public void Dispose()
        {
            if (_done)
                return;
            _done = true;
            weights.GiveBack();
        }
    }
}
