namespace RlHarness.Core.Runs;

/// <summary>A run was stopped by a person or a signal, and can be gone on with.</summary>
/// <param name="folder">The run's folder.</param>
/// <param name="kept">What of it is on disk, in words.</param>
public sealed class RunStoppedException(string folder, string kept, Exception inner)
    : OperationCanceledException($"Stopped. Kept: {kept}. Go on with: rlharness resume {folder}", inner)
{
    public string Folder { get; } = folder;
}
