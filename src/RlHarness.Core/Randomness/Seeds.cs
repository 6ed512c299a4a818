using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace RlHarness.Core.Randomness;

/// <summary>
/// The only source of randomness of a run. Each draw names what it is for (purpose, step, prompt, sample), so that a resumed run, another batch size
/// or another number of workers draws the same numbers.
/// </summary>
public sealed class Seeds(ulong root)
{
    public ulong Root { get; } = root;

    /// <summary>A stream of its own for a purpose and up to three indices. Different arguments give independent streams.</summary>
    public RandomStream For(string purpose, long step = 0, long prompt = 0, long sample = 0)
    {
        var name = Encoding.UTF8.GetBytes(purpose);
        Span<byte> input = stackalloc byte[32 + name.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(input, Root);
        BinaryPrimitives.WriteInt64LittleEndian(input[8..], step);
        BinaryPrimitives.WriteInt64LittleEndian(input[16..], prompt);
        BinaryPrimitives.WriteInt64LittleEndian(input[24..], sample);
        name.CopyTo(input[32..]);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(input, hash);
        return new RandomStream(BinaryPrimitives.ReadUInt64LittleEndian(hash), BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]));
    }

    /// <summary>The seeds of a part of the run, such as one stage.</summary>
    public Seeds Child(string purpose) => new(For(purpose).NextUInt64());
}
