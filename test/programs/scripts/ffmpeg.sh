# ffmpeg: pictures and sound that it makes itself, filtered, encoded and decoded by SIMD code, with threads; checksums of frames.
# x264 alone has one thread: with more, its files differ from run to run.
f() { ffmpeg -hide_banner -nostdin -v error "$@"; }
video="testsrc2=size=320x240:rate=25:duration=2"
sound="sine=frequency=440:beep_factor=4:duration=2"
f -f lavfi -i "$video" -f lavfi -i "$sound" -f framemd5 - | cksum
f -f lavfi -i "$video" -vf 'scale=640:480:flags=lanczos,format=yuv420p,hflip,unsharp,boxblur=2' -f md5 -
f -f lavfi -i "$sound" -af 'aresample=48000,volume=0.5,atempo=1.5,lowpass=f=2000' -f md5 -
f -f lavfi -i "$video" -f lavfi -i "$sound" -threads 2 -c:v mpeg4 -qscale:v 4 -c:a pcm_s16le -flags +bitexact -fflags bitexact out.avi
cksum out.avi
f -threads 2 -i out.avi -map 0:v -f framemd5 - | cksum
f -f lavfi -i "$video" -pix_fmt yuv420p -c:v libx264 -preset fast -x264-params threads=1:lookahead-threads=1 -flags +bitexact -fflags bitexact out.mkv
f -threads 2 -i out.mkv -f framemd5 - | cksum
f -f lavfi -i "$sound" -c:a flac -flags +bitexact -fflags bitexact out.flac && f -i out.flac -f md5 -
f -f lavfi -i "$sound" -c:a aac -flags +bitexact -fflags bitexact out.m4a && f -i out.m4a -f md5 -
ffprobe -v error -show_entries stream=codec_name,width,height,nb_frames,r_frame_rate -of compact out.avi
f -i none.avi -f null -; echo "status $?"
