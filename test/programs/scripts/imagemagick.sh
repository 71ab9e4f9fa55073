# ImageMagick (with OpenMP threads): pictures drawn, filtered, converted; signatures of their pixels.
set -e
/usr/bin/convert -size 320x240 gradient:navy-gold -swirl 120 -blur 0x3 -fill white -draw 'circle 160,120 160,60' picture.png
/usr/bin/convert picture.png -resize 50% -rotate 30 -modulate 110,80,120 small.ppm
/usr/bin/convert picture.png \( small.ppm -resize 100x100! \) -gravity center -composite -sharpen 0x1 out.jpg
/usr/bin/convert picture.png -colorspace Gray -edge 2 -negate -depth 8 out.gif
/usr/bin/convert -delay 10 picture.png small.ppm -resize 64x64! -loop 0 animation.gif
/usr/bin/identify -format '%m %wx%h %z %#\n' picture.png small.ppm out.jpg out.gif animation.gif
/usr/bin/convert picture.png -morphology Dilate Octagon:3 -statistic Median 3x3 -format '%[fx:mean] %#\n' info:
/usr/bin/compare -metric RMSE picture.png \( picture.png -blur 0x1 \) null: 2>&1 | cut -c1-8 || true
/usr/bin/montage picture.png small.ppm -tile 2x1 -geometry 80x60+2+2 montage.png && /usr/bin/identify -format '%wx%h\n' montage.png
/usr/bin/convert none.png out.png || echo "status $?"
