using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Memory for what a forward pass leaves to its backward pass: a block for each number type, filled from its beginning as layers come and emptied from its
/// end as they go. In the C library's heap these tensors would lie between short-lived ones whose holes are not used again, and the process would grow by a
/// third. Belongs to one pass at a time.
/// </summary>
internal sealed class Workspace
{
    /// <summary>Numbers that a tensor's place is rounded up to: 64 bytes of fp32.</summary>
    private const long Step = 16;

    private static readonly ConcurrentBag<Workspace> Idle = [];

    private readonly Block _wide = new(ScalarType.Float32);
    private readonly Block _low = new(ScalarType.BFloat16);

    /// <summary>With room for so many fp32 and bfloat16 numbers.</summary>
    internal Workspace(long wide, long low) => Reserve(wide, low);

    /// <summary>How much of the blocks is taken.</summary>
    internal (long Wide, long Low) Mark
    {
        get => (_wide.Used, _low.Used);
        set => (_wide.Used, _low.Used) = value;
    }

    /// <summary>One that nobody uses, with room for as many numbers, or a new one.</summary>
    internal static Workspace Borrow(long wide, long low)
    {
        if (!Idle.TryTake(out var workspace))
            return new Workspace(wide, low);
        workspace.Reserve(wide, low);
        return workspace;
    }

    /// <summary>Room that so many tensors with so many numbers in all take at most.</summary>
    internal static long Room(long numbers, long tensors) => numbers + tensors * Step;

    /// <summary>Gives the memory of those that nobody uses back to the system.</summary>
    internal static void ReleaseIdle()
    {
        while (Idle.TryTake(out var workspace))
        {
            workspace._wide.Dispose();
            workspace._low.Dispose();
        }
    }

    /// <summary>A tensor with arbitrary content, or null where there is no room, or none for this type. The caller disposes of it.</summary>
    internal Tensor? Take(long[] shape, ScalarType type) =>
        type == ScalarType.Float32 ? _wide.Take(shape)
        : type == ScalarType.BFloat16 ? _low.Take(shape)
        : null;

    /// <summary>Nothing in it is needed any more.</summary>
    internal void Return()
    {
        Mark = default;
        Idle.Add(this);
    }

    private void Reserve(long wide, long low)
    {
        _wide.Reserve(wide);
        _low.Reserve(low);
    }

    private sealed class Block(ScalarType type) : IDisposable
    {
        private Tensor? _numbers;

        internal long Used { get; set; }

        internal void Reserve(long count)
        {
            if (count <= (_numbers?.shape[0] ?? 0))
                return;
            _numbers?.Dispose();
            _numbers = empty(count + count / 8, dtype: type, device: CPU).DetachFromDisposeScope();
        }

        internal Tensor? Take(long[] shape)
        {
            var count = shape.Aggregate(1L, (a, b) => a * b);
            if (_numbers is null || Used + count > _numbers.shape[0])
                return null;
            using var place = _numbers.narrow(0, Used, count);
            using var shaped = place.view(shape);
            Used += (count + Step - 1) / Step * Step;
            // A view would share the block's count of changes, by which libtorch finds out what was written to between forward and backward.
            return empty(0, dtype: type, device: CPU).set_(shaped);
        }

        public void Dispose() => _numbers?.Dispose();
    }
}
