using System.Globalization;
using System.Text.Json;

namespace RlHarness.Training.Collectives;

/// <summary>
/// Looks after the other ranks while this one waits for them. Each rank leaves a sign of life in a folder that all of them see, every few seconds, from a
/// thread of its own: a rank whose signs no longer change is dead or stopped, however long its work may take; one that lives and does not come is elsewhere.
/// Times are those of the rank that looks, so that clocks of machines need not agree.
/// </summary>
public sealed class RankWatch : IDisposable
{
    /// <summary>Seconds that a rank which lives may keep the others waiting: a checkpoint, answers of a judge, a long evaluation's last part.</summary>
    public const string TimeoutVariable = "RLHARNESS_RANK_TIMEOUT";

    private const double UsualTimeout = 3600;
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    /// <summary>Ticks between two signs of life: a file system that many ranks share is spared.</summary>
    private const int TicksForSign = 3;

    /// <summary>Below this a wait is nothing to look into.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Signs of life that stay away for so long, once they are looked for, are taken for an end.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    private readonly int _rank;
    private readonly int _size;
    private readonly Action<string> _end;
    private readonly TimeProvider _time;
    private readonly TimeSpan _timeout;
    private readonly Lock _gate = new();
    private readonly Dictionary<int, (string Sign, long Seen)> _seen = [];
    private readonly ITimer _timer;
    private string? _folder;
    private string? _what;
    private long _since;
    private long _count;
    private long _beat;
    private long _ticks;
    private bool _failing;
    private bool _ended;

    /// <param name="end">Ends all ranks with a message. Called once, on another thread than the one that waits.</param>
    /// <param name="timeout">What <see cref="TimeoutVariable"/> says, where it is left out.</param>
    public RankWatch(int rank, int size, Action<string> end, TimeProvider? time = null, TimeSpan? timeout = null)
    {
        (_rank, _size, _end, _time) = (rank, size, end, time ?? TimeProvider.System);
        _timeout =
            timeout
            ?? TimeSpan.FromSeconds(
                double.TryParse(Environment.GetEnvironmentVariable(TimeoutVariable), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
                && seconds > 0
                    ? seconds
                    : UsualTimeout
            );
        _timer = _time.CreateTimer(_ => Look(), null, Tick, Tick);
    }

    /// <param name="Beat">Another number each time.</param>
    /// <param name="Waits">What the rank waits for; null while it works.</param>
    /// <param name="Count">How many waits it has begun: a rank that has begun fewer is behind.</param>
    /// <param name="Failing">The rank ends, and says why.</param>
    private sealed record Sign(long Beat, string? Waits, long Count, bool Failing, string Host, int Process);

    /// <summary>Signs of life go into this folder from here on; the first rank has made it.</summary>
    public void Begin(string folder)
    {
        lock (_gate)
            _folder = folder;
        Leave(sign: true);
    }

    /// <summary>This rank is about to end with an error: others do not end it before it has said so.</summary>
    public void Failing()
    {
        lock (_gate)
            _failing = true;
        Leave(sign: true);
    }

    /// <summary>Whether the first rank is about to end with an error of its own.</summary>
    public bool FirstIsFailing() => Read(0) is { Failing: true };

    /// <summary>This rank begins to wait.</summary>
    internal void Enter(string what)
    {
        lock (_gate)
        {
            (_what, _since) = (what, _time.GetTimestamp());
            _count++;
        }
    }

    internal void Leave() => Leave(sign: false);

    /// <summary>No more signs of life: the run has ended.</summary>
    public void End()
    {
        lock (_gate)
            _folder = null;
    }

    public void Dispose()
    {
        _timer.Dispose();
        End();
    }

    private void Leave(bool sign)
    {
        lock (_gate)
        {
            if (!sign)
            {
                _what = null;
                _seen.Clear();
            }
            else
                Write();
        }
    }

    /// <summary>Once a second: now and then a sign of life, and a look at the others where this rank has waited for long.</summary>
    private void Look()
    {
        string? message;
        lock (_gate)
        {
            if (_ended || _folder is null && _what is null)
                return;
            if (++_ticks % TicksForSign == 0)
                Write();
            if (_what is null || _time.GetElapsedTime(_since) < Patience)
                return;
            message = Silent() ?? Late();
            _ended = message is not null;
        }

        if (message is not null)
            _end(message);
    }

    /// <summary>The first rank looks at all, each other one at the first and the next: every rank is looked at by two.</summary>
    private IEnumerable<int> Watched =>
        _rank == 0 ? Enumerable.Range(1, _size - 1) : new[] { 0, (_rank + 1) % _size }.Distinct().Where(r => r != _rank);

    private string? Silent()
    {
        if (_folder is null)
            return null;
        var now = _time.GetTimestamp();
        var silent = new List<int>();
        foreach (var rank in Watched)
        {
            var sign = Text(rank);
            // What can't be read whole is being written.
            if (!_seen.TryGetValue(rank, out var seen) || (sign.Length > 0 && sign != seen.Sign))
                _seen[rank] = (sign, now);
            else if (_time.GetElapsedTime(seen.Seen, now) >= Silence)
                silent.Add(rank);
        }

        return silent.Count == 0
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{Words(silent)} {(silent.Count == 1 ? "gives" : "give")} no sign of life, for {Silence.TotalSeconds:0} s or more: rank {_rank} waits "
                    + $"for {_what}"
            );
    }

    private string? Late()
    {
        if (_time.GetElapsedTime(_since) < _timeout)
            return null;
        var behind = Enumerable.Range(0, _size).Where(r => r != _rank && (Read(r) is not { } sign || sign.Count < _count)).ToList();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{(behind.Count == 0 ? "the other ranks have" : Words(behind) + (behind.Count == 1 ? " has" : " have"))} not come in "
                + $"{_timeout.TotalSeconds:0} s: rank {_rank} waits for {_what} ({TimeoutVariable})"
        );
    }

    private string Words(List<int> ranks) =>
        string.Join(
            ", ",
            ranks.Select(r =>
                string.Create(CultureInfo.InvariantCulture, $"rank {r}")
                + (Read(r) is { } sign ? string.Create(CultureInfo.InvariantCulture, $" ({sign.Host}, process {sign.Process})") : "")
            )
        );

    private void Write()
    {
        if (_folder is null)
            return;
        var sign = new Sign(++_beat, _what, _count, _failing, Environment.MachineName, Environment.ProcessId);
        try
        {
            File.WriteAllText(PathOf(_rank), JsonSerializer.Serialize(sign));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first rank has removed the folder at the end of the run, or the disk is full: then the run says so.
        }
    }

    private string PathOf(int rank) => Path.Combine(_folder!, string.Create(CultureInfo.InvariantCulture, $"rank_{rank}"));

    private string Text(int rank)
    {
        try
        {
            return _folder is null ? "" : File.ReadAllText(PathOf(rank));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private Sign? Read(int rank)
    {
        try
        {
            return Text(rank) is { Length: > 0 } text ? JsonSerializer.Deserialize<Sign>(text) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
