namespace RlHarness.Models.Files;

/// <summary>Named weights in one file or a set of files, mapped into memory.</summary>
public interface IWeightFile : IDisposable
{
    /// <summary>The file, or the folder of a set.</summary>
    string Path { get; }

    IReadOnlyDictionary<string, WeightEntry> Entries { get; }

    /// <summary>The stored bytes, not copied; valid until the file is disposed. An entry of more than 2 GiB is read in parts.</summary>
    ReadOnlySpan<byte> Bytes(WeightEntry entry);

    /// <summary>A part of the stored bytes, from <paramref name="start"/> within the entry.</summary>
    ReadOnlySpan<byte> Bytes(WeightEntry entry, long start, int count);
}
