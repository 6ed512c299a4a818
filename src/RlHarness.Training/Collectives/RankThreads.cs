using System.Globalization;
using System.Text;

namespace RlHarness.Training.Collectives;

/// <summary>
/// How many threads a rank takes. libtorch takes one wherever the launcher says that a machine has several ranks, whatever they are bound to, so that the
/// number is set from the processors that this rank may use and the ranks that may use the same ones.
/// </summary>
public static class RankThreads
{
    /// <summary>As OpenMP reads it.</summary>
    private const string Variable = "OMP_NUM_THREADS";

    /// <param name="Threads">Of this rank.</param>
    /// <param name="Words">Where the number comes from, on all ranks.</param>
    public sealed record Choice(int Threads, string Words);

    /// <summary>Asks all ranks what they may use.</summary>
    public static Choice Choose(Ranks ranks)
    {
        ArgumentNullException.ThrowIfNull(ranks);
        var all = ranks.Gather("processors", () => Encoding.UTF8.GetBytes($"{Environment.MachineName}\n{Environment.ProcessorCount}\n{Mask()}"));
        (string Host, int Usable, string Mask)[] said =
        [
            .. all.Select(b => Encoding.UTF8.GetString(b).Split('\n')).Select(p => (p[0], int.Parse(p[1], CultureInfo.InvariantCulture), p[2])),
        ];
        int[] each = [.. said.Select(own => Math.Max(1, own.Usable / said.Count(other => other.Host == own.Host && Overlap(other.Mask, own.Mask))))];
        if (int.TryParse(Environment.GetEnvironmentVariable(Variable), NumberStyles.None, CultureInfo.InvariantCulture, out var set) && set > 0)
            return new(set, $"{set} by {Variable}");
        var hosts = said.Select(s => s.Host).Distinct().Count();
        var words = string.Create(
            CultureInfo.InvariantCulture,
            $"{(each.Min() == each.Max() ? $"{each[0]} each" : string.Join(", ", each))}, of {string.Join(", ", said.Select(s => s.Usable).Distinct())} "
                + $"processors that a rank may use on {hosts} {(hosts == 1 ? "machine" : "machines")}"
        );
        return new(each[ranks.Rank], words);
    }

    /// <summary>Whether two masks of processors, as /proc writes them (hexadecimal, by commas), have one in common.</summary>
    internal static bool Overlap(string one, string other)
    {
        var (a, b) = (Bits(one), Bits(other));
        // Where a system has no masks, all share all.
        return a.Length == 0 || b.Length == 0 || !(Number(a) & Number(b)).IsZero;

        static string Bits(string mask) => mask.Replace(",", "", StringComparison.Ordinal).Trim();

        static System.Numerics.BigInteger Number(string bits) =>
            System.Numerics.BigInteger.Parse("0" + bits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    private static string Mask()
    {
        const string Status = "/proc/self/status",
            Key = "Cpus_allowed:";
        return File.Exists(Status)
            ? File.ReadLines(Status).Where(l => l.StartsWith(Key, StringComparison.Ordinal)).Select(l => l[Key.Length..].Trim()).FirstOrDefault() ?? ""
            : "";
    }
}
