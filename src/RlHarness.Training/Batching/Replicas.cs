using RlHarness.Models.Decoders;
using RlHarness.Models.Parallel;
using static TorchSharp.torch;

namespace RlHarness.Training.Batching;

/// <summary>
/// A small model and its twins, which go backward through parts of a batch at the same time. Parts and the order in which their gradients are added up depend
/// on the batch and the number of threads alone, so a run repeats bit for bit.
/// </summary>
internal sealed class Replicas(Decoder decoder) : IDisposable
{
    /// <summary>Sequences that are worth a thread of their own.</summary>
    private const int LeastSequences = 2;

    private readonly List<Decoder> _others = [];

    /// <summary>Deals the batch out to the models, adds all gradients to the first model's, and returns the sum of what the parts return.</summary>
    internal double Run<T>(IReadOnlyList<T> batch, Func<T, int> length, Func<Decoder, IReadOnlyList<T>, double> backward)
    {
        var ways = decoder.ComputeType == ScalarType.Float32 ? ParallelWork.DegreeOfParallelism(decoder, batch.Count / LeastSequences) : 1;
        while (_others.Count < ways - 1)
            _others.Add(decoder.Replica());
        var models = _others.Take(ways - 1).Prepend(decoder).ToArray();
        var parts = Deal(batch, length, ways);
        var sums = new double[ways];
        ParallelWork.Run([.. Enumerable.Range(0, ways).Select(i => (Action)(() => sums[i] = backward(models[i], parts[i])))]);
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        foreach (var other in models.Skip(1).Select(DifferentiablePass.Trainable))
        {
            DifferentiablePass.Trainable(decoder).Gradient!.add_(other.Gradient!);
            other.ZeroGradients();
        }

        return sums.Sum();
    }

    /// <summary>By length, there and back, so that each part has as much to do.</summary>
    internal static IReadOnlyList<IReadOnlyList<T>> Deal<T>(IReadOnlyList<T> batch, Func<T, int> length, int ways)
    {
        if (ways == 1)
            return [batch];
        var parts = Enumerable.Range(0, ways).Select(_ => new List<T>()).ToArray();
        var at = 0;
        foreach (var item in batch.OrderBy(length))
        {
            var (round, place) = (at / ways, at % ways);
            parts[round % 2 == 0 ? place : ways - 1 - place].Add(item);
            at++;
        }

        return parts;
    }

    public void Dispose()
    {
        foreach (var other in _others)
            other.Dispose();
    }
}
