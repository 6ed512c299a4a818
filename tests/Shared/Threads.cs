#if TORCH
using TorchSharp;

namespace RlHarness.Tests;

/// <summary>So many threads for libtorch, on this thread, until it is disposed of.</summary>
internal sealed class Threads : IDisposable
{
    private readonly int _before = torch.get_num_threads();

    internal Threads(int count) => torch.set_num_threads(count);

    public void Dispose() => torch.set_num_threads(_before);
}
#endif
