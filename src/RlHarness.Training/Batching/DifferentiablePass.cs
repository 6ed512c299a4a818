using RlHarness.Models.Decoders;
using RlHarness.Models.Native;
using static TorchSharp.torch;

namespace RlHarness.Training.Batching;

/// <summary>Numbers that were computed on the device and are read together when all of them are there, so that no micro-batch waits for the host.</summary>
internal sealed class LaterNumbers : IDisposable
{
    private readonly List<Tensor> _rows = [];

    /// <summary>Keeps some scalars of one device.</summary>
    internal void Add(params IReadOnlyList<Tensor> scalars)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        _rows.Add(stack([.. scalars.Select(s => s.detach().to(ScalarType.Float64).reshape([]))]).DetachFromDisposeScope());
    }

    /// <summary>What was added, call by call, in order.</summary>
    internal IReadOnlyList<double[]> Read() => HostReads.Numbers(_rows);

    /// <summary>What was added to each of several, by one read.</summary>
    internal static (IReadOnlyList<double[]> First, IReadOnlyList<double[]> Second) Read(LaterNumbers first, LaterNumbers second)
    {
        var all = HostReads.Numbers([.. first._rows, .. second._rows]);
        return (all[..first._rows.Count], all[first._rows.Count..]);
    }

    public void Dispose()
    {
        foreach (var row in _rows)
            row.Dispose();
        _rows.Clear();
    }
}

/// <summary>Forward and backward of one micro-batch: body, scored rows, and what else hangs on them.</summary>
internal static class DifferentiablePass
{
    /// <summary>Adds the gradients of Σ losses to the decoder's trainable parameters.</summary>
    /// <param name="decoder">The model that is trained.</param>
    /// <param name="batch">Packed sequences with their scored tokens.</param>
    /// <param name="temperature">On the logits.</param>
    /// <param name="loss">Loss of the scored tokens.</param>
    /// <param name="onRows">A further loss of the scored rows' hidden states [R, H] (a value head on the policy's body), or null.</param>
    public static void Run(Decoder decoder, ScoredBatch batch, double temperature, TokenScorer.ChunkLoss loss, Func<Tensor, Tensor>? onRows = null)
    {
        using var scope = NewDisposeScope();
        using var pass = decoder.Record(batch.Tokens);
        var rows = Gather(pass.Hidden, batch.Rows); // [R, H]
        var gradient = TokenScorer.Backward(decoder, rows, batch.Targets, temperature, loss);
        if (onRows is not null)
            gradient.add_(Gradient(rows, onRows));
        pass.Backward(ScatterRows(pass, batch.Rows, gradient));
    }

    /// <summary>Adds the gradients of a loss of some rows' hidden states to the decoder's trainable parameters.</summary>
    /// <param name="decoder">The model that is trained.</param>
    /// <param name="batch">Packed sequences.</param>
    /// <param name="rows">Which rows, each once, int64 [R].</param>
    /// <param name="loss">The loss of their hidden states [R, H].</param>
    public static void Run(Decoder decoder, TokenBatch batch, Tensor rows, Func<Tensor, Tensor> loss)
    {
        using var scope = NewDisposeScope();
        using var pass = decoder.Record(batch);
        pass.Backward(ScatterRows(pass, rows, Gradient(Gather(pass.Hidden, rows), loss)));
    }

    /// <summary>Hidden states of the scored rows, [R, H], without gradients.</summary>
    public static Tensor HiddenAtScored(Decoder decoder, ScoredBatch batch)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return Gather(decoder.Forward(batch.Tokens), batch.Rows).MoveToOuterDisposeScope();
    }

    /// <summary>Rows [R, H] of hidden states [N, H].</summary>
    internal static Tensor Gather(Tensor hidden, Tensor rows)
    {
        OperandDevices.Same("rows of hidden states", hidden, rows);
        return hidden.index_select(0, rows);
    }

    /// <summary>The parameters that training changes: the adapters' where there are any, else the model's own.</summary>
    public static ParameterStore Trainable(Decoder decoder) => decoder.Adapters?.Parameters ?? decoder.Parameters;

    /// <summary>Gradient of a loss by hidden rows, fp32 [R, H].</summary>
    private static Tensor Gradient(Tensor rows, Func<Tensor, Tensor> loss)
    {
        var leaf = rows.detach().requires_grad_(true);
        loss(leaf).backward();
        return leaf.grad!;
    }

    /// <summary>Gradients of some rows [R, H] among those of all, [N, H]: the others have none.</summary>
    private static Tensor ScatterRows(DecoderPass pass, Tensor rows, Tensor gradient) => zeros_like(pass.Hidden).index_copy_(0, rows, gradient);
}
