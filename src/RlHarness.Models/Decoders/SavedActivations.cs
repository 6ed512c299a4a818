using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// What one layer's forward pass leaves behind for its backward pass. Its tensors belong to it and outlive the scopes that they were made in.
/// </summary>
internal sealed class SavedActivations : IDisposable
{
    private readonly HashSet<Tensor> _kept = new(ReferenceEqualityComparer.Instance);
    private readonly Workspace? _workspace;
    private readonly (long Wide, long Low) _mark;

    /// <param name="workspace">Where large tensors go; records are disposed of in the opposite order of their making.</param>
    internal SavedActivations(Workspace? workspace = null)
    {
        _workspace = workspace;
        _mark = workspace?.Mark ?? default;
    }

    /// <summary>Input of the attention products, in the compute type [N, H].</summary>
    internal Tensor? AttentionInput { get; set; }

    /// <summary>The norm before attention.</summary>
    internal NormRecord? InputNorm { get; set; }

    internal NormRecord? QueryNorm { get; set; }

    internal NormRecord? KeyNorm { get; set; }

    internal PackedAttention.IRecord? Attention { get; set; }

    /// <summary>Result of the attention, input of the output product [N, h·d].</summary>
    internal Tensor? AttentionOutput { get; set; }

    /// <summary>The norm behind attention (post-norm families).</summary>
    internal NormRecord? AttentionNorm { get; set; }

    internal NormRecord? FeedForwardInputNorm { get; set; }

    internal Tensor? FeedForwardInput { get; set; }

    /// <summary>Gate and up [N, 2M]; the backward pass replaces it by its gradient.</summary>
    internal Tensor? GateUp { get; set; }

    internal NormRecord? FeedForwardNorm { get; set; }

    /// <summary>Takes a tensor out of its scope and keeps it until this record is disposed of.</summary>
    internal Tensor Keep(Tensor tensor)
    {
        _kept.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    /// <summary>A tensor with arbitrary content that is kept; null where there is no workspace with room for it.</summary>
    internal Tensor? Take(long[] shape, ScalarType type) => _workspace?.Take(shape, type) is { } tensor ? Keep(tensor) : null;

    internal NormRecord Keep(RmsNorm.Result norm) => new(Keep(norm.Sum), Keep(norm.Scale));

    public void Dispose()
    {
        foreach (var tensor in _kept)
            tensor.Dispose();
        _kept.Clear();
        if (_workspace is not null)
            _workspace.Mark = _mark;
    }

    /// <summary>What a norm read (fp32) and the scale that it found.</summary>
    internal sealed record NormRecord(Tensor X, Tensor Scale);
}
