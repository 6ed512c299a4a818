using RlHarness.Models.Kernels;
using static TorchSharp.torch;

// Symbols: N packed tokens, H hidden size.
namespace RlHarness.Models.Decoders;

/// <summary>
/// A forward pass with what its backward pass needs. The gradient is written by hand, layer by layer: parameters' gradients are added to their stores where
/// they lie, and each layer's intermediate results are given back as soon as they are used. One backward pass at most.
/// </summary>
public sealed class DecoderPass : IDisposable
{
    private readonly Decoder _decoder;
    private readonly Tensor _ids;
    private readonly PackedAttention _attention;
    private readonly RopeRows _rope;
    private readonly SavedActivations _whole = new();
    private readonly Workspace? _workspace;
    private readonly SavedActivations?[] _layers;
    private readonly Tensor[] _streams;
    private readonly SavedActivations.NormRecord _finalNorm;
    private bool _disposed;

    internal DecoderPass(Decoder decoder, TokenBatch batch, Action<int, Tensor>? onHiddenState)
    {
        (_decoder, _ids) = (decoder, _whole.Keep(batch.Ids.alias()));
        using var scope = NewDisposeScope();
        var rope = decoder.Rope(batch);
        _rope = new(_whole.Keep(rope.Cos), _whole.Keep(rope.Sin), _whole.Keep(rope.LocalCos), _whole.Keep(rope.LocalSin));
        _attention = new PackedAttention(decoder.Config, batch, decoder.ComputeType, _whole.Keep);
        _layers = new SavedActivations?[decoder.Layers.Count];
        _workspace = FusedKernels.Apply(decoder.Parameters.Data) ? Borrow(decoder, batch.Count) : null;
        _streams = new Tensor[decoder.ActivationCheckpointing ? _layers.Length : 0];
        var x = _whole.Keep(decoder.Embed(batch.Ids)); // [N, H]
        Tensor? delayed = null;
        for (var i = 0; i < _layers.Length; i++)
        {
            using var step = NewDisposeScope();
            onHiddenState?.Invoke(i, delayed is null ? x : x + delayed);
            var kept = i == 0 || (!decoder.ActivationCheckpointing && decoder.Layers[i].RecordKeepsStream);
            (Tensor X, Tensor Pending) next;
            if (decoder.ActivationCheckpointing)
            {
                _streams[i] = delayed is null ? x : _whole.Keep(x + delayed);
                next = decoder.Layers[i].Forward(_streams[i], null, _rope, _attention);
            }
            else
            {
                next = decoder.Layers[i].Forward(x, delayed, _rope, _attention, _layers[i] = new SavedActivations(_workspace));
            }

            if (!kept)
                x.Dispose();
            delayed?.Dispose();
            (x, delayed) = (next.X.MoveToOuterDisposeScope(), next.Pending.MoveToOuterDisposeScope());
        }

        var norm = decoder.FinalNorm(x, delayed);
        _finalNorm = _whole.Keep(norm);
        Hidden = _whole.Keep(norm.Y);
        onHiddenState?.Invoke(_layers.Length, Hidden);
    }

    /// <summary>The residual stream after the final norm, fp32 [N, H]; belongs to this pass.</summary>
    public Tensor Hidden { get; }

    /// <summary>Adds the parameters' gradients to their stores, given that of <see cref="Hidden"/>, fp32 [N, H].</summary>
    public void Backward(Tensor gradient)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var total = zeros_like(Hidden);
        RmsNorm.Backward(
            gradient,
            _finalNorm.X,
            _finalNorm.Scale,
            _decoder.NormWeight(ParameterLayout.FinalNorm),
            total,
            _decoder.GradientOrNull(ParameterLayout.FinalNorm)
        );
        for (var i = _layers.Length - 1; i >= 0; i--)
        {
            using var step = NewDisposeScope();
            if (_streams.Length > 0)
                _decoder.Layers[i].Forward(_streams[i], null, _rope, _attention, _layers[i] = new SavedActivations(_workspace));
            _decoder.Layers[i].Backward(_layers[i]!, _rope, total);
            _layers[i]!.Dispose();
            _layers[i] = null;
        }

        if (_decoder.GradientOrNull(ParameterLayout.Embeddings) is not { } embeddings)
            return;
        if (_decoder.Config.EmbeddingScale != 1)
            total.mul_(_decoder.Config.EmbeddingScale);
        embeddings.index_add_(0, _ids, total, 1);
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (var layer in _layers)
            layer?.Dispose();
        _whole.Dispose();
        _workspace?.Return();
    }

    /// <summary>Room for what layers keep of N tokens; repeated keys and values of padded batches may not fit, and go where all else goes.</summary>
    private static Workspace Borrow(Decoder decoder, long n)
    {
        var c = decoder.Config;
        long layers = decoder.ActivationCheckpointing ? 1 : c.NumHiddenLayers;
        var sums = layers * Workspace.Room(2 * n * c.HiddenSize, 2);
        var computed = layers * Workspace.Room(n * (2 * c.HiddenSize + 3 * c.QueryWidth + 2 * c.IntermediateSize), 6);
        return decoder.ComputeType == ScalarType.Float32 ? Workspace.Borrow(sums + computed, 0) : Workspace.Borrow(sums, computed);
    }
}
